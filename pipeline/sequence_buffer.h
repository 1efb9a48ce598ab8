#pragma once
// The seeded shuffle: sequences wait here and leave in random order. Whether one may leave depends on counts
// only, never on time.

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
  uint64_t minimum = 1'000;      ///< sequences that must be there before the first leaves
  uint32_t context = 256;        ///< T; a sequence has T + 1 tokens
  uint32_t vocabulary = 16'000;  ///< up to 65,536 ids are kept in 16 bits
  uint64_t seed = 0;
};

/// Serial. While it fills, one sequence leaves for each two that come; when it is full, one for one. It stops
/// growing at the end of the first epoch, so that a small corpus is not kept many times over.
class SequenceBuffer {
 public:
  explicit SequenceBuffer(const SequenceBufferOptions& options);

  /// Whether the next thing to happen is that a sequence leaves.
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
  void emit(Sequence& sequence);

  /// The end of an epoch: it does not grow any more.
  void stop_growing();
  /// The end of the stream: what is left leaves.
  void drain() { draining_ = true; }

  uint64_t size() const { return size_; }
  uint64_t capacity() const { return options_.capacity; }

  uint32_t token_bytes() const { return token_bytes_; }
  /// Of the tokens of one sequence.
  static uint64_t bytes_of_tokens(const SequenceBufferOptions& options);

  /// Appends its state for a checkpoint: the one copy of what it holds. In two calls, because the arrays of a
  /// checkpoint keep their order.
  void save_origins(StreamState& state) const;
  void save_sequences(StreamState& state) const;
  /// Takes the place of what it holds.
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
  std::unique_ptr<std::byte[]> tokens_;  // not touched before it is used, so that it costs what it holds
  std::vector<uint32_t> pairs_;
  std::vector<SequenceOrigin> origins_;
  Rng rng_;
  uint64_t size_ = 0;
  uint64_t limit_;  // size at which each one that comes pushes one out
  uint64_t absorbed_since_emission_ = 0;
  bool draining_ = false;
};

}  // namespace pretrain
