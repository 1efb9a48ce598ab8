// SPDX-License-Identifier: Apache-2.0
#include "libs/model/parameter_table.h"

#include <cmath>
#include <functional>
#include <numeric>

#include <fmt/format.h>

namespace pretrain {
namespace {

constexpr size_t kAlignmentFloats = 16;      // one cache line
constexpr float kStandardDeviation = 0.02F;  // of GPT-2, and of llama and its successors

}  // namespace

bool is_decayed(ParameterRole role) {
  return role == ParameterRole::kMatrix || role == ParameterRole::kResidualMatrix ||
         role == ParameterRole::kTokenEmbedding;
}

size_t ParameterTable::add(std::string name, std::vector<int64_t> shape, ParameterRole role,
                           MatrixOrder order) {
  const auto size = static_cast<size_t>(
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<int64_t>()));
  const size_t offset = flat_size_;
  tensors_.push_back({.name = std::move(name),
                      .shape = std::move(shape),
                      .offset = offset,
                      .size = size,
                      .role = role,
                      .order = order,
                      .decays = is_decayed(role),
                      .initial_value = role == ParameterRole::kNormGain ? 1.0F : 0.0F,
                      .initial_std = initial_std(role)});
  flat_size_ += (size + kAlignmentFloats - 1) / kAlignmentFloats * kAlignmentFloats;
  parameter_count_ += size;
  return offset;
}

float ParameterTable::initial_std(ParameterRole role) const {
  switch (role) {
    case ParameterRole::kTokenEmbedding:
    case ParameterRole::kPositionEmbedding:
    case ParameterRole::kMatrix:
      return kStandardDeviation;
    case ParameterRole::kResidualMatrix:
      // What is added to the residual stream starts smaller, so that its variance does not grow with depth.
      // Source: Radford et al., "Language Models are Unsupervised Multitask Learners", section 2.3.
      return kStandardDeviation / std::sqrt(static_cast<float>(residual_additions_));
    case ParameterRole::kBias:
    case ParameterRole::kNormGain:
    case ParameterRole::kNormBias:
      break;
  }
  return 0;
}

NormParameters ParameterTable::add_norm(std::string_view prefix, const NormSpec& spec, int64_t C) {
  NormParameters at{.kind = spec.kind, .gain = 0, .bias = std::nullopt};
  at.gain = add(fmt::format("{}{}.weight", prefix, spec.name), {C}, ParameterRole::kNormGain);
  if (spec.kind == NormKind::kLayerNorm)
    at.bias = add(fmt::format("{}{}.bias", prefix, spec.name), {C}, ParameterRole::kNormBias);
  return at;
}

LinearParameters ParameterTable::add_linear(std::string_view prefix, const LinearSpec& spec, int64_t in,
                                            int64_t out, ParameterRole role) {
  const bool in_out = spec.order == MatrixOrder::kInOut;
  LinearParameters at{.in = in, .out = out, .order = spec.order, .weight = 0, .bias = std::nullopt};
  std::vector<int64_t> shape = in_out ? std::vector{in, out} : std::vector{out, in};
  at.weight = add(fmt::format("{}{}.weight", prefix, spec.name), std::move(shape), role, spec.order);
  if (spec.has_bias) at.bias = add(fmt::format("{}{}.bias", prefix, spec.name), {out}, ParameterRole::kBias);
  return at;
}

}  // namespace pretrain
