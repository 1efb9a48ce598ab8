// SPDX-License-Identifier: Apache-2.0
#pragma once
// The serial core of the loader: turns chunks, in ticket order, into batches. Everything that determines the
// stream of batches is here. None of it depends on time or threads, and all of it can be saved and restored.
//
//   while (!assembler.finished()) {
//     if (const auto batch = assembler.produce()) {
//       train(*batch);
//     } else if (!assembler.finished()) {   // else the stream ends here
//       assembler.absorb(next_chunk());
//     }
//   }

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libs/data/batch_source.h"
#include "pipeline/origins.h"
#include "pipeline/packer.h"
#include "pipeline/seen_documents.h"
#include "pipeline/sequence_buffer.h"

namespace pretrain {

struct AssemblerOptions {
  int64_t rows = 16;  ///< B
  Packing packing = Packing::kConcat;
  uint32_t end_of_text = 1;
  uint32_t epochs = 0;  ///< 0: endless
  SequenceBufferOptions buffer;
  DeduplicationOptions deduplication = {};
};

/// Serial.
class BatchAssembler {
 public:
  explicit BatchAssembler(const AssemblerOptions& options);

  /// Makes the next batch from the absorbed chunks. Nothing: it needs another chunk, or the stream has ended.
  /// Errors: kData when an epoch gives less than one batch.
  [[nodiscard]] std::optional<Batch> produce();
  bool finished() const { return finished_; }
  /// Whether the last epoch was absorbed, so that no more chunks are needed.
  bool draining() const { return draining_; }
  /// Whether the restored stream had absorbed its last epoch, but the options now ask for more epochs.
  bool reopened() const { return reopened_; }
  /// After produce() has failed because an epoch had less than one batch: whether it may continue with the
  /// next epoch, and a call to do so.
  bool may_leave_epoch() const { return epoch_is_too_short() && !is_last_epoch(); }
  void leave_epoch();

  /// Returns the documents that were skipped as duplicates.
  /// Requires: produce() has returned false and the stream has not ended.
  std::vector<Skip> absorb(const Chunk& chunk);

  /// The position from which a corpus reader must continue, and its catalog.
  const Cursor& cursor() const { return cursor_; }
  const std::shared_ptr<const Catalog>& catalog() const { return catalog_; }

  /// "wiki_07 at byte 12345" for each row whose document is known.
  std::vector<std::string> documents_of(const Batch& batch) const;

  uint64_t buffered() const { return buffer_.size(); }
  uint64_t documents() const { return documents_; }
  uint64_t invalid_utf8() const { return invalid_utf8_; }
  const std::map<SkipReason, uint64_t>& skips() const { return skips_; }
  uint64_t batches() const { return next_batch_; }

  /// Appends its state.
  /// Requires: a catalog (from absorb() or start_at()).
  void save(StreamState& state) const;
  /// Errors: kData when the state is incomplete or does not fit the options; kUsage when the shuffle buffer
  /// is too small for it.
  void restore(const StreamState& state);
  /// Sets the beginning of a new stream. With deduplication, copies of the evaluated documents are skipped.
  void start_at(const Cursor& cursor, std::shared_ptr<const Catalog> catalog,
                std::span<const DocumentSignature> evaluated = {});

 private:
  void append_row(const SequenceBuffer::Sequence& sequence);
  Batch take_partial();
  std::optional<SkipReason> duplicate_reason(const EncodedPiece& piece);
  bool is_last_epoch() const { return options_.epochs > 0 && epoch_ + 1 >= options_.epochs; }
  void end_epoch();
  void reopen();
  bool epoch_is_too_short() const {
    return epoch_ends_ && sequences_this_epoch_ < static_cast<uint64_t>(options_.rows);
  }
  void restore_position(const nlohmann::json& scalars);
  void restore_packer(const StreamState& state);
  void restore_partial(const StreamState& state);

  AssemblerOptions options_;
  Packer packer_;
  SequenceBuffer buffer_;
  Batch partial_;  // rows so far
  uint64_t next_batch_ = 0;
  uint64_t sequences_this_epoch_ = 0;
  uint32_t epoch_ = 0;
  bool epoch_ends_ = false;  // once the carry gives no further sequence
  bool draining_ = false;
  bool finished_ = false;
  bool reopened_ = false;
  Cursor cursor_;
  std::shared_ptr<const Catalog> catalog_;
  uint64_t documents_ = 0;
  uint64_t invalid_utf8_ = 0;
  std::map<SkipReason, uint64_t> skips_;
  std::optional<SeenDocuments> seen_;  // with deduplication
  bool in_duplicate_ = false;          // the rest of the current document is skipped
  OriginNames origin_names_;
};

}  // namespace pretrain
