// SPDX-License-Identifier: Apache-2.0
#pragma once
// Generation of several sequences at once, with packed weights and a key-value cache: a token of four sequences takes
// little longer than one of a single one, and a prompt is read in one pass, as fast as in training. generation.h has
// the generator of a training run, which needs no memory for packed weights.

#include <cstdint>
#include <span>
#include <vector>

#include "libs/model/generator_context.h"
#include "libs/model/key_value_cache.h"
#include "libs/model/parameters.h"

namespace pretrain {

/// The next token of a sequence.
struct NextToken {
  int64_t sequence;
  uint32_t token;
};

/// Single-owner. The parameters must outlive it and not change while it is used.
/// Letters: V vocabulary.
/// Repeatability: bit-identical for any number of threads. What append() computes for a sequence does not depend, in
/// its bits, on the other sequences.
///
///   BatchGenerator generator(compute, config, layout, parameters, {.sequences = 2});
///   std::span<const float> logits = generator.read(0, prompt);
///   generator.copy(0, 1);
///   logits = generator.append(std::vector<NextToken>{{0, 5}, {1, 7}});  // [2, V]
class BatchGenerator {
 public:
  /// Requires: a context beyond the model's only where positions are rotary; the layout outlives it.
  BatchGenerator(Compute& compute, const ModelConfig& config, const ParameterLayout& layout,
                 const float* parameters, const GeneratorShape& shape);
  BatchGenerator(const BatchGenerator&) = delete;
  BatchGenerator& operator=(const BatchGenerator&) = delete;

  /// Appends tokens to a sequence in one pass and returns the logits after each of the last `logits_of` of them.
  /// Shapes: returns [logits_of, V], valid until the next call.
  /// Requires: at least one token, each below V; they fit into the context; 1 <= logits_of <= tokens.size().
  std::span<const float> read(int64_t sequence, std::span<const uint32_t> tokens, int64_t logits_of = 1);

  /// Appends a token to each of these sequences in one pass and returns the logits for the one after it. Of a full
  /// sequence the older half is forgotten and the rest is read again, since positions begin at 0.
  /// Shapes: returns [next.size(), V], valid until the next call.
  /// Requires: each sequence once, at least one.
  std::span<const float> append(std::span<const NextToken> next);

  /// Makes `to` a copy of `from`.
  void copy(int64_t from, int64_t to);
  /// Forgets all but the first `length` tokens.
  /// Requires: it has so many.
  void truncate(int64_t sequence, int64_t length);

  /// The tokens that the sequence still remembers.
  std::span<const uint32_t> tokens(int64_t sequence) const {
    return sequences_[static_cast<size_t>(sequence)];
  }
  /// Positions of a sequence.
  int64_t context() const { return context_.shape.context; }

 private:
  std::vector<uint32_t>& at(int64_t sequence) { return sequences_[static_cast<size_t>(sequence)]; }
  void take(const NextToken& next);
  void begin_rows();
  void read_rows(int64_t sequence, std::span<const uint32_t> tokens);
  void pass(bool is_prompt);
  void forget_older_half(int64_t sequence);
  std::span<const float> logits_from(int64_t first_row);

  GeneratorContext context_;
  const ParameterLayout& layout_;
  std::vector<std::vector<uint32_t>> sequences_;  // tokens in the cache
  std::vector<RowPlace> rows_;                    // of the next pass
  std::vector<uint32_t> row_tokens_;
  std::vector<KeyValueCache> caches_;  // of each layer
  RowBuffer logits_;
};

}  // namespace pretrain
