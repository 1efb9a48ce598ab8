#include "libs/model/memory_plan.h"

#include <algorithm>

#include "libs/model/parameters.h"
#include "libs/model/transformer.h"
#include "libs/tensor/attention.h"

namespace pretrain {
namespace {

uint64_t floats(int64_t count) {
  return static_cast<uint64_t>(count) * sizeof(float);
}

uint64_t packed_bytes(const ModelConfig& c) {
  const auto both = [](int64_t in, int64_t out) {
    return sizeof(float) * (PackedMatrix::size_floats(in, out) + PackedMatrix::size_floats(out, in));
  };
  const uint64_t layer =
      both(c.d_model, 3 * c.d_model) + both(c.d_model, c.d_model) + 2 * both(c.d_model, c.d_ff);
  return static_cast<uint64_t>(c.layers) * layer + both(c.d_model, c.vocabulary);
}

uint64_t activation_bytes(const ModelConfig& c, int64_t M) {
  const int64_t layer = M * (5 * c.d_model + c.d_ff + 4 + c.heads);  // qkv, attention, middle, up, statistics
  const int64_t residual = (c.layers + 1) * M * c.d_model;
  const int64_t forward = M * (2 * c.d_model + c.d_ff + 3);  // normed, final normed, activated
  const int64_t backward = M * (5 * c.d_model + c.d_ff);     // dx, dnarrow, dqkv, dwide
  const int64_t packed = M * std::max(3 * c.d_model, c.d_ff);
  return floats(c.layers * layer + residual + forward + backward + packed);
}

}  // namespace

int64_t micro_batch_rows(int64_t rows, int64_t context, int64_t limit_tokens) {
  const int64_t parts = std::clamp<int64_t>((rows * context + limit_tokens - 1) / limit_tokens, 1, rows);
  return (rows + parts - 1) / parts;
}

MemoryPlan plan_memory(const ModelConfig& c, int64_t micro_rows, int threads) {
  const int64_t M = micro_rows * c.context;
  MemoryPlan plan;
  plan.parameters = 4 * sizeof(float) * ParameterLayout(c).flat_size();
  plan.packed = packed_bytes(c);
  plan.activations = activation_bytes(c, M);
  plan.logits = floats(head_chunk_rows(M, c.vocabulary) * c.vocabulary);
  plan.scratch = static_cast<uint64_t>(threads) * sizeof(float) *
                 (Compute::kScratchFloats + CausalAttention::scratch_floats(c.context, c.head_size()));
  return plan;
}

}  // namespace pretrain
