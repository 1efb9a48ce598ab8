#include "libs/model/memory_plan.h"

#include <algorithm>

#include "libs/base/check.h"
#include "libs/model/linear.h"
#include "libs/model/parameters.h"
#include "libs/tensor/attention.h"

namespace pretrain {
namespace {

/// What a Buffer of so many floats takes: whole cache lines.
uint64_t bytes_of(size_t floats) {
  constexpr uint64_t kCacheLine = 64;
  return (floats * sizeof(float) + kCacheLine - 1) / kCacheLine * kCacheLine;
}

uint64_t packed_bytes(const PassShape& s) {
  const ModelConfig& c = s.config;
  const auto weight = [&](int64_t in, int64_t out) {  // once for each direction
    return bytes_of(PackedMatrix::size_words(s.precision, in, out)) +
           bytes_of(PackedMatrix::size_words(s.precision, out, in));
  };
  const uint64_t layer = weight(c.d_model, 3 * c.d_model) + weight(c.d_model, c.d_model) +
                         weight(c.d_model, c.d_ff) + weight(c.d_ff, c.d_model);
  return static_cast<uint64_t>(c.layers) * layer + weight(c.d_model, c.vocabulary) +
         bytes_of(packed_gradient_words(s));
}

}  // namespace

int64_t micro_batch_rows(int64_t rows, int64_t context, int64_t limit_tokens) {
  const int64_t parts = std::clamp<int64_t>((rows * context + limit_tokens - 1) / limit_tokens, 1, rows);
  return (rows + parts - 1) / parts;
}

MemoryPlan plan_memory(const PassShape& shape, int threads) {
  PRETRAIN_CHECK(shape.training, "only training is planned");
  const ModelConfig& c = shape.config;
  const auto slots = static_cast<size_t>(threads);
  return {.parameters = 4 * bytes_of(ParameterLayout(c).flat_size()),
          .packed = packed_bytes(shape),
          .activations = bytes_of(PassMemory::size_floats(shape)),
          .scratch = bytes_of(slots * Compute::kScratchFloats) +
                     bytes_of(slots * CausalAttention::scratch_floats(c.context, c.head_size()))};
}

}  // namespace pretrain
