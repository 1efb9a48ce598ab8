// SPDX-License-Identifier: Apache-2.0
#include "libs/model/key_value_cache.h"

#include <algorithm>

#include "libs/base/check.h"
#include "libs/tensor/vector_product.h"

namespace pretrain {
namespace {

/// Heads [begin, end) of all rows, in their place.
void turn_heads(GeneratorContext& c, const HeadTurn& turn, int64_t begin, int64_t end, float* qkv) {
  const int64_t D = c.config.head_size();
  c.compute.parallel_for(c.rows.size(), [&](size_t m) {
    float* row = qkv + static_cast<int64_t>(m) * c.config.qkv_width();
    for (int64_t h = begin; h < end; ++h)
      turn_rows(turn, c.rows[m].position, 1, row + h * D, D, row + h * D, D);
  });
}

}  // namespace

KeyValueCache::KeyValueCache(const GeneratorContext& context)
    : positions_(context.shape.context),
      width_(context.config.key_value_heads() * context.config.head_size()),
      keys_(static_cast<size_t>(context.shape.sequences * positions_ * width_)),
      values_(keys_.size()) {
  PRETRAIN_CHECK(positions_ <= Compute::kScratchFloats, "{} positions", positions_);
}

void KeyValueCache::keep(const GeneratorContext& c, const float* qkv) {
  for (size_t m = 0; m < c.rows.size(); ++m) {
    const float* keys = qkv + static_cast<int64_t>(m) * c.config.qkv_width() + c.config.attention_width();
    std::copy_n(keys, width_, at(keys_, c.rows[m]));
    std::copy_n(keys + width_, width_, at(values_, c.rows[m]));
  }
}

void KeyValueCache::attend(GeneratorContext& c, float* qkv, float* out, const AttentionTurn& turn) {
  const int64_t H = c.config.heads;
  const int64_t K = c.config.key_value_heads();
  const int64_t D = c.config.head_size();
  const auto heads = static_cast<size_t>(H);
  if (c.prompt_attention) {  // which turns by itself
    float* log_sum_exp = c.second.take(c.row_count() * H);
    c.prompt_attention->forward(qkv, out, log_sum_exp, turn);
    if (turn) turn_heads(c, turn.keys(), H, H + K, qkv);
    return keep(c, qkv);
  }
  if (turn) {
    turn_heads(c, turn.queries(), 0, H, qkv);
    turn_heads(c, turn.keys(), H, H + K, qkv);
  }
  keep(c, qkv);
  c.compute.parallel_for(c.rows.size() * heads, [&](size_t index) {
    const auto m = static_cast<int64_t>(index / heads);
    const auto h = static_cast<int64_t>(index % heads);
    const RowPlace& row = c.rows[static_cast<size_t>(m)];
    const int64_t shared = h / (H / K) * D;
    const RowPlace start{row.sequence, 0};
    attend_cached(qkv + m * c.config.qkv_width() + h * D, at(keys_, start) + shared,
                  at(values_, start) + shared, width_, row.position + 1, D, c.compute.scratch(),
                  out + (m * H + h) * D);
  });
}

void KeyValueCache::copy(int64_t from, int64_t to, int64_t positions) {
  for (Buffer<float>* cache : {&keys_, &values_})
    std::copy_n(at(*cache, {from, 0}), positions * width_, at(*cache, {to, 0}));
}

}  // namespace pretrain
