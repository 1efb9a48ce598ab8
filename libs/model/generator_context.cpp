// SPDX-License-Identifier: Apache-2.0
#include "libs/model/generator_context.h"

#include <utility>

#include "libs/tensor/layer_norm.h"
#include "libs/tensor/rms_norm.h"

namespace pretrain {
namespace {

GeneratorShape with_context(GeneratorShape shape, const ModelConfig& config) {
  if (shape.context == 0) shape.context = config.context;
  return shape;
}

/// For all positions of the generator, which may be more than those of the training.
std::optional<RotaryTable> rotary_table(ModelConfig config, const GeneratorShape& shape) {
  config.context = with_context(shape, config).context;
  return make_rotary_table(config);
}

}  // namespace

PackedWeights::PackedWeights(Compute& compute, const GeneratorWeights& weights, const ModelConfig& config,
                             Precision precision) {
  for (const LinearParameters& at : weights.linears) {
    PackedMatrix& matrix = matrices_.emplace(at.weight, PackedMatrix(precision, at.in, at.out)).first->second;
    const float* W = weights.parameters + at.weight;
    if (at.order == MatrixOrder::kInOut) {
      matrix.pack(compute, W, at.out);
    } else {
      matrix.pack_transposed(compute, W, at.in);
    }
  }
  PackedMatrix head(precision, config.d_model, config.vocabulary);
  head.pack_transposed(compute, weights.parameters + weights.head, config.d_model);
  matrices_.emplace(weights.head, std::move(head));
}

GeneratorContext::GeneratorContext(Compute& threads, const ModelConfig& sizes,
                                   const GeneratorWeights& weights, const GeneratorShape& generator_shape)
    : compute(threads),
      config(sizes),
      shape(with_context(generator_shape, sizes)),
      parameters(weights.parameters),
      rotary(rotary_table(sizes, generator_shape)),
      packed_(threads, weights, sizes, generator_shape.precision),
      head_(weights.head) {}

void GeneratorContext::begin(std::span<const RowPlace> places, bool is_prompt) {
  rows = places;
  residual = residual_.take(row_count() * config.d_model);
  normed = normed_.take(row_count() * config.d_model);
  prompt_attention.reset();
  if (!is_prompt) return;
  ModelConfig prompt = config;
  prompt.context = row_count();
  prompt_attention.emplace(compute, attention_shape(prompt, 1), Precision::kFloat32);
}

void GeneratorContext::norm(const NormParameters& at, int64_t first_row) {
  const int64_t M = row_count() - first_row;
  const int64_t C = config.d_model;
  const float* x = residual + first_row * C;
  float* rstd = statistics_.take(2 * M);
  if (at.kind == NormKind::kRmsNorm) {
    rms_norm_forward(compute, {.x = x, .gain = parameter(at.gain), .M = M, .C = C},
                     static_cast<float>(config.norm_epsilon), normed, rstd);
    return;
  }
  layer_norm_forward(compute, {.x = x, .M = M, .C = C}, {parameter(at.gain), parameter(*at.bias)}, normed,
                     {rstd + M, rstd});
}

void GeneratorContext::linear(const LinearParameters& at, const float* x, float* out) {
  const float* bias = at.bias ? parameter(*at.bias) : nullptr;
  product(compute, row_count(), {x, at.in}, packed_.at(at.weight), out, {.bias = bias});
}

void GeneratorContext::add_to_residual(const float* branch) {
  const int64_t count = row_count() * config.d_model;
  for (int64_t i = 0; i < count; ++i) residual[i] += branch[i];
}

void GeneratorContext::head(const float* x, int64_t count, float* out) {
  product(compute, count, {x, config.d_model}, packed_.at(head_), out);
}

}  // namespace pretrain
