#include "libs/model/parameters.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include <fmt/format.h>

namespace pretrain {
namespace {

constexpr size_t kAlignmentFloats = 16;  // one cache line
constexpr float kStandardDeviation = 0.02F;

}  // namespace

ParameterLayout::ParameterLayout(const ModelConfig& config) {
  const int64_t C = config.d_model;
  token_embedding_ = add("transformer.wte.weight", {config.vocabulary, C}, true, 0, kStandardDeviation);
  position_embedding_ = add("transformer.wpe.weight", {config.context, C}, false, 0, kStandardDeviation);
  for (int64_t layer = 0; layer < config.layers; ++layer) blocks_.push_back(add_block(config, layer));
  final_norm_gain_ = add("transformer.ln_f.weight", {C}, false, 1, 0);
  final_norm_bias_ = add("transformer.ln_f.bias", {C}, false, 0, 0);
}

BlockOffsets ParameterLayout::add_block(const ModelConfig& config, int64_t layer) {
  const int64_t C = config.d_model;
  const int64_t F = config.d_ff;
  // What is added to the residual stream starts smaller, so that its variance does not grow with depth.
  // Source: Radford et al., "Language Models are Unsupervised Multitask Learners", section 2.3.
  const float residual_std = kStandardDeviation / std::sqrt(2.0F * static_cast<float>(config.layers));
  const auto name = [&](const char* part) { return fmt::format("transformer.h.{}.{}", layer, part); };
  BlockOffsets block{};
  block.norm1_gain = add(name("ln_1.weight"), {C}, false, 1, 0);
  block.norm1_bias = add(name("ln_1.bias"), {C}, false, 0, 0);
  block.qkv_weight = add(name("attn.c_attn.weight"), {C, 3 * C}, true, 0, kStandardDeviation);
  block.qkv_bias = add(name("attn.c_attn.bias"), {3 * C}, false, 0, 0);
  block.attention_weight = add(name("attn.c_proj.weight"), {C, C}, true, 0, residual_std);
  block.attention_bias = add(name("attn.c_proj.bias"), {C}, false, 0, 0);
  block.norm2_gain = add(name("ln_2.weight"), {C}, false, 1, 0);
  block.norm2_bias = add(name("ln_2.bias"), {C}, false, 0, 0);
  block.up_weight = add(name("mlp.c_fc.weight"), {C, F}, true, 0, kStandardDeviation);
  block.up_bias = add(name("mlp.c_fc.bias"), {F}, false, 0, 0);
  block.down_weight = add(name("mlp.c_proj.weight"), {F, C}, true, 0, residual_std);
  block.down_bias = add(name("mlp.c_proj.bias"), {C}, false, 0, 0);
  return block;
}

size_t ParameterLayout::add(std::string name, std::vector<int64_t> shape, bool decays, float initial_value,
                            float initial_std) {
  const auto size = static_cast<size_t>(
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<int64_t>()));
  const size_t offset = flat_size_;
  tensors_.push_back({std::move(name), std::move(shape), offset, size, decays, initial_value, initial_std});
  flat_size_ += (size + kAlignmentFloats - 1) / kAlignmentFloats * kAlignmentFloats;
  parameter_count_ += size;
  return offset;
}

const ParameterInfo* ParameterLayout::find(std::string_view name) const {
  const auto found =
      std::find_if(tensors_.begin(), tensors_.end(), [&](const ParameterInfo& t) { return t.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

}  // namespace pretrain
