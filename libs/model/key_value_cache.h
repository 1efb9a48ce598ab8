// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys and values of the tokens that a generator has read, of one attention block, and attention to them.
// Letters: M rows at work, S sequences, T positions of each, H query heads, K key-value heads, D channels of a head,
// W = (H + 2K) D.

#include <cstdint>

#include "libs/model/generator_context.h"
#include "libs/tensor/attention.h"
#include "libs/tensor/buffer.h"

namespace pretrain {

/// Single-owner.
class KeyValueCache {
 public:
  explicit KeyValueCache(const GeneratorContext& context);

  /// Attention of the rows at work: keeps their keys and values, turned as `turn` says, then lets each row read its
  /// sequence up to its own position. Turns qkv in its place.
  /// Shapes: qkv [M, W], out [M, H*D].
  /// Repeatability: a row of the cache does not depend on the other rows; a prompt has other last bits.
  void attend(GeneratorContext& context, float* qkv, float* out, const AttentionTurn& turn = {});

  /// Copies the first positions of a sequence.
  /// Requires: from is not to.
  void copy(int64_t from, int64_t to, int64_t positions);

 private:
  void keep(const GeneratorContext& context, const float* qkv);
  float* at(Buffer<float>& cache, const RowPlace& row) {
    return cache.data() + (row.sequence * positions_ + row.position) * width_;
  }

  int64_t positions_;            // T
  int64_t width_;                // K*D
  Buffer<float> keys_, values_;  // [S, T, K*D]
};

}  // namespace pretrain
