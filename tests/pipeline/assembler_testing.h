// SPDX-License-Identifier: Apache-2.0
#pragma once
// A corpus of chunks without text: the tokens of an epoch are consecutive numbers, so that a token which is
// lost, repeated or moved shows. Single-owner.

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "pipeline/batch_assembler.h"

namespace pretrain::test {

constexpr uint32_t kEndOfText = 1;

using Document = std::vector<uint32_t>;

/// Documents of 0 to `longest` tokens, consecutive numbers from `first_id` on.
std::vector<Document> numbered_documents(uint64_t seed, size_t count, size_t longest, uint32_t first_id = 2);

/// The pieces of one document of at most `piece_tokens` tokens each.
std::vector<EncodedPiece> pieces_of(const Document& document, size_t piece_tokens);

class NumberedCorpus {
 public:
  /// Pieces are spread over chunks without regard to documents; some chunks are empty.
  explicit NumberedCorpus(std::vector<Document> documents, uint64_t seed = 1);

  /// The chunk of a ticket number, which counts through all epochs.
  Chunk chunk(uint64_t number) const;
  const std::vector<Document>& documents() const { return documents_; }
  /// How often each id must be a target in one epoch.
  std::map<int32_t, uint64_t> targets_per_epoch(Packing packing) const;

 private:
  std::vector<Document> documents_;
  std::vector<std::vector<EncodedPiece>> chunks_;
  std::shared_ptr<const Catalog> catalog_;
};

/// A small assembler for ids below 100,000: rows of 8 tokens.
AssemblerOptions small_assembler(Packing packing, uint32_t epochs);

/// An assembler at the beginning of a stream.
BatchAssembler fresh_assembler(const AssemblerOptions& options);

/// Feeds the assembler from its cursor until there is a batch; nothing at the end of the stream.
std::optional<Batch> next_batch(BatchAssembler& assembler, const NumberedCorpus& corpus);
/// At most `limit` further batches.
std::vector<Batch> next_batches(BatchAssembler& assembler, const NumberedCorpus& corpus, size_t limit);

/// How often each id is a target.
std::map<int32_t, uint64_t> targets_of(const std::vector<Batch>& batches);
std::vector<uint64_t> hashes_of(const std::vector<Batch>& batches);

/// The state as a checkpoint brings it back: scalars through JSON text.
StreamState through_text(const StreamState& state);
/// Says what differs.
testing::AssertionResult same_state(const StreamState& actual, const StreamState& expected);

}  // namespace pretrain::test
