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
  for (int64_t layer = 0; layer < config.layers; ++layer) layers_.push_back(add_layer(config, layer));
  final_norm_ = add_norm("transformer.ln_f", C);
}

NormParameters ParameterLayout::add_norm(const std::string& name, int64_t C) {
  return {.gain = add(name + ".weight", {C}, false, 1, 0), .bias = add(name + ".bias", {C}, false, 0, 0)};
}

LinearParameters ParameterLayout::add_linear(const std::string& name, int64_t in, int64_t out,
                                             float initial_std) {
  return {.in = in,
          .out = out,
          .weight = add(name + ".weight", {in, out}, true, 0, initial_std),
          .bias = add(name + ".bias", {out}, false, 0, 0)};
}

LayerParameters ParameterLayout::add_layer(const ModelConfig& config, int64_t layer) {
  const int64_t C = config.d_model;
  const int64_t F = config.d_ff;
  // What is added to the residual stream starts smaller, so that its variance does not grow with depth.
  // Source: Radford et al., "Language Models are Unsupervised Multitask Learners", section 2.3.
  const float residual_std = kStandardDeviation / std::sqrt(2.0F * static_cast<float>(config.layers));
  const auto name = [&](const char* part) { return fmt::format("transformer.h.{}.{}", layer, part); };
  // The order of initialisers is the order of evaluation, and so that of the tensors in the flat array.
  return {.attention = {.norm = add_norm(name("ln_1"), C),
                        .qkv = add_linear(name("attn.c_attn"), C, 3 * C, kStandardDeviation),
                        .output = add_linear(name("attn.c_proj"), C, C, residual_std)},
          .mlp = {.norm = add_norm(name("ln_2"), C),
                  .up = add_linear(name("mlp.c_fc"), C, F, kStandardDeviation),
                  .down = add_linear(name("mlp.c_proj"), F, C, residual_std)}};
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
