// SPDX-License-Identifier: Apache-2.0
#pragma once
// The seeded shuffle buffer: sequences leave it in random order. Whether one may leave depends only on
// counts, never on time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "libs/base/rng.h"
#include "libs/data/batch_source.h"
#include "pipeline/packer.h"

namespace pretrain {

struct SequenceBufferOptions {
  uint64_t capacity = 50'000;    ///< sequences
  uint64_t minimum = 1'000;      ///< sequences in the buffer before the first may leave
  uint32_t context = 256;        ///< T; a sequence has T + 1 tokens
  uint32_t vocabulary = 16'000;  ///< up to 65,536 ids are kept in 16 bits
  uint64_t seed = 0;
};

/// Serial. While it fills, one sequence leaves for every two that enter; once it is full, one for one. It
/// stops growing at the end of the first epoch, so that it does not hold a small corpus several times.
class SequenceBuffer {
 public:
  explicit SequenceBuffer(const SequenceBufferOptions& options);

  /// Whether a sequence must leave before another may enter.
  bool must_emit() const;

  /// Requires: !must_emit().
  void insert(const SequenceView& sequence);

  struct Sequence {
    std::vector<uint32_t> tokens;  ///< [T + 1]
    uint32_t pairs = 0;
    SequenceOrigin origin;
  };
  /// Takes a random sequence out.
  /// Requires: not empty.
  Sequence emit();

  /// The end of an epoch: the buffer stops growing.
  void stop_growing();
  /// The end of the stream: the remaining sequences leave.
  void drain() { draining_ = true; }

  uint64_t size() const { return size_; }
  uint64_t capacity() const { return options_.capacity; }

  uint32_t token_bytes() const { return token_bytes_; }
  /// Of the tokens of one sequence.
  static uint64_t bytes_of_tokens(const SequenceBufferOptions& options);

  /// Appends its state for a checkpoint, which holds the only copy. Two functions, because the order of the
  /// arrays in a checkpoint is fixed.
  void save_origins(StreamState& state) const;
  void save_sequences(StreamState& state) const;
  /// Replaces its content.
  /// Errors: kData when the state is incomplete or does not fit the options; kUsage when it needs a larger
  /// capacity.
  void restore(const StreamState& state);

 private:
  void restore_tokens(const StreamState& state, uint64_t count);
  void restore_pairs(const StreamState& state);
  std::byte* slot(uint64_t index) { return tokens_.get() + index * slot_bytes_; }

  SequenceBufferOptions options_;
  uint32_t token_bytes_;
  uint64_t slot_bytes_;
  std::unique_ptr<std::byte[]> tokens_;  // not initialised, so that it only uses memory for its content
  std::vector<uint32_t> pairs_;
  std::vector<SequenceOrigin> origins_;
  Rng rng_;
  uint64_t size_ = 0;
  uint64_t limit_;  // size from which one sequence leaves for each that enters
  uint64_t absorbed_since_emission_ = 0;
  bool draining_ = false;
};

}  // namespace pretrain
