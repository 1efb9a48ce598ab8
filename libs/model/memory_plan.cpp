// SPDX-License-Identifier: Apache-2.0
#include "libs/model/memory_plan.h"

#include <algorithm>

#include "libs/base/check.h"
#include "libs/model/parameters.h"
#include "libs/model/pass_memory.h"
#include "libs/model/rotary_positions.h"
#include "libs/tensor/attention.h"

namespace pretrain {
namespace {

/// What a Buffer of so many floats takes: whole cache lines.
uint64_t bytes_of(size_t floats) {
  constexpr uint64_t kCacheLine = 64;
  return (floats * sizeof(float) + kCacheLine - 1) / kCacheLine * kCacheLine;
}

uint64_t packed_bytes(const PassShape& s, const ParameterLayout& layout) {
  const auto weight = [&](int64_t in, int64_t out) {  // once for each direction
    return bytes_of(PackedMatrix::size_words(s.precision, in, out)) +
           bytes_of(PackedMatrix::size_words(s.precision, out, in));
  };
  uint64_t bytes = weight(s.config.d_model, s.config.vocabulary) + bytes_of(packed_gradient_words(s));
  for (const LinearParameters& linear : layout.linears()) bytes += weight(linear.in, linear.out);
  return bytes;
}

/// Scratch of all threads, parts of the gradients of gains, and the tables of rotary positions.
uint64_t attention_bytes(const PassShape& s, size_t threads) {
  const ModelConfig& c = s.config;
  const CausalAttention::Shape shape = attention_shape(c, s.rows);
  const auto table = static_cast<uint64_t>(c.rope_theta == 0 ? 0 : c.context * c.head_size()) * sizeof(float);
  return bytes_of(threads * CausalAttention::scratch_floats(shape.T, shape.D, shape.turned)) +
         bytes_of(CausalAttention::gain_floats(shape)) + table;
}

}  // namespace

int64_t micro_batch_rows(int64_t rows, int64_t context, int64_t limit_tokens) {
  const int64_t parts = std::clamp<int64_t>((rows * context + limit_tokens - 1) / limit_tokens, 1, rows);
  return (rows + parts - 1) / parts;
}

MemoryPlan plan_memory(const PassShape& shape, int threads, uint64_t optimizer_bytes,
                       uint32_t gradient_arrays) {
  PRETRAIN_CHECK(shape.training, "only training is planned");
  const ModelConfig& c = shape.config;
  const ParameterLayout layout(c);
  const auto slots = static_cast<size_t>(threads);
  return {.parameters = (1 + gradient_arrays) * bytes_of(layout.flat_size()),
          .optimizer = optimizer_bytes,
          .packed = packed_bytes(shape, layout),
          .activations = bytes_of(PassMemory::size_floats(shape)),
          .scratch = bytes_of(slots * Compute::kScratchFloats) + attention_bytes(shape, slots)};
}

}  // namespace pretrain
