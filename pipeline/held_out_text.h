// SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes evaluation sequences from held-out text while they are read, so that memory does not depend on the
// amount of text.

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <stop_token>

#include "libs/data/evaluation_data.h"
#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/packer.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Limits of the set; the first one that is reached ends it.
struct HeldOutLimits {
  uint64_t sequences = std::numeric_limits<uint64_t>::max();
  uint64_t targets = std::numeric_limits<uint64_t>::max();  ///< the last sequence may be cut
};

/// The limits for a number of tokens: as many whole sequences as they fill, or a part of one if they are
/// fewer.
HeldOutLimits whole_sequences(uint64_t tokens, uint32_t context);

/// Single-owner.
class HeldOutText {
 public:
  /// The held-out documents of the corpus, in the order of its seed. The tokenizer must outlive it.
  /// Errors: as CorpusReader.
  HeldOutText(const CorpusOptions& corpus, const Catalog& catalog, const Tokenizer& tokenizer,
              uint32_t context, const HeldOutLimits& limits, const std::stop_token& stop);

  /// As a SequenceReader; the very last sequence may be padded.
  /// Errors: as CorpusReader; Stopped.
  uint64_t read(std::span<uint32_t> inputs, std::span<int32_t> targets);

  uint32_t context() const { return context_; }
  /// Totals of the sequences read so far.
  uint64_t sequences() const { return sequences_; }
  uint64_t target_count() const { return target_count_; }
  uint64_t target_bytes() const { return target_bytes_; }
  /// What the reader has skipped so far, unwanted pages among them.
  const std::map<SkipReason, uint64_t>& skips() const { return reader_.statistics().skips; }

 private:
  std::optional<SequenceView> next();
  void read_ticket();
  void append(const SequenceView& sequence, std::span<uint32_t> inputs, std::span<int32_t> targets);

  const Tokenizer& tokenizer_;
  const uint32_t context_;
  const HeldOutLimits limits_;
  const std::stop_token stop_;
  CorpusReader reader_;
  Packer packer_;
  bool ended_ = false;
  uint64_t sequences_ = 0;
  uint64_t target_count_ = 0;
  uint64_t target_bytes_ = 0;
};

}  // namespace pretrain
