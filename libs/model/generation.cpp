// SPDX-License-Identifier: Apache-2.0
#include "libs/model/generation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "libs/base/check.h"
#include "libs/tensor/vector_product.h"

namespace pretrain {
namespace {

struct Candidate {
  uint32_t token;
  double weight;  // not normalised
};

/// Keeps the most likely candidates, sorted, until their share reaches top_p.
void keep_nucleus(std::vector<Candidate>& candidates, double top_p) {
  double total = 0;
  for (const Candidate& c : candidates) total += c.weight;
  double reached = 0;
  size_t count = 0;
  while (count < candidates.size() && reached < top_p * total) reached += candidates[count++].weight;
  candidates.resize(std::max<size_t>(count, 1));
}

size_t scratch_floats(const ParameterLayout& layout) {
  size_t most = 0;
  for (const LinearParameters& at : layout.linears()) {
    most = std::max(most, vector_product_scratch_floats(at.in, at.out));
  }
  return most;
}

}  // namespace

uint32_t sample_token(std::span<const float> logits, const SamplingOptions& options, Rng& rng) {
  const auto best = std::max_element(logits.begin(), logits.end());
  if (options.temperature <= 0) return static_cast<uint32_t>(best - logits.begin());
  std::vector<Candidate> candidates(logits.size());
  for (size_t v = 0; v < logits.size(); ++v) {
    candidates[v] = {static_cast<uint32_t>(v),
                     std::exp(static_cast<double>(logits[v] - *best) / options.temperature)};
  }
  if (options.top_k > 0 || options.top_p < 1) {
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
    });
    if (options.top_k > 0 && options.top_k < candidates.size()) candidates.resize(options.top_k);
    if (options.top_p < 1) keep_nucleus(candidates, options.top_p);
  }
  double total = 0;
  for (const Candidate& c : candidates) total += c.weight;
  double target = rng.uniform() * total;
  for (const Candidate& c : candidates) {
    if (target < c.weight) return c.token;
    target -= c.weight;
  }
  return candidates.back().token;
}

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
