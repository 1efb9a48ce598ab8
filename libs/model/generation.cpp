// SPDX-License-Identifier: Apache-2.0
#include "libs/model/generation.h"

#include <algorithm>

#include "libs/base/check.h"
#include "libs/tensor/vector_product.h"

namespace pretrain {
namespace {

size_t scratch_floats(const ParameterLayout& layout) {
  size_t most = 0;
  for (const LinearParameters& at : layout.linears()) {
    most = std::max(most, vector_product_scratch_floats(at.in, at.out));
  }
  return most;
}

}  // namespace

Generator::Generator(Compute& compute, const ModelConfig& config, const ParameterLayout& layout,
                     const float* parameters)
    : context_(compute, config, parameters, scratch_floats(layout)),
      layout_(layout),
      logits_(static_cast<size_t>(config.vocabulary)) {
  for (const LayerParameters& layer : layout.layers()) {
    for (const BlockParameters& block : layer) blocks_.push_back(Kinds::make_decoder(context_, block));
  }
}

void Generator::reset() {
  tokens_.clear();
}

std::span<const float> Generator::feed(uint32_t token) {
  const ModelConfig& config = context_.config;
  PRETRAIN_CHECK(token < config.vocabulary, "token {} of {}", token, config.vocabulary);
  if (static_cast<int64_t>(tokens_.size()) == config.context) {
    const std::vector<uint32_t> recent(tokens_.begin() + config.context / 2, tokens_.end());
    tokens_.clear();
    for (const uint32_t t : recent) step(t);
  }
  step(token);
  context_.norm(layout_.head().norm);
  matrix_times_vector(context_.compute, context_.parameter(layout_.head().weight), context_.normed.data(),
                      config.vocabulary, config.d_model, logits_.data());
  return logits_.span();
}

/// Runs all layers for one more token, up to the last residual stream.
void Generator::step(uint32_t token) {
  context_.position = static_cast<int64_t>(tokens_.size());
  embed_token(layout_.embedding(), context_.parameters, token, context_.position, context_.residual.span());
  tokens_.push_back(token);
  for (BlockDecoder& decoder : blocks_) std::visit([](auto& block) { block.step(); }, decoder);
}

}  // namespace pretrain
