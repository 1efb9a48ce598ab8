#include "libs/model/generation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "libs/base/check.h"
#include "libs/tensor/activation.h"
#include "libs/tensor/layer_norm.h"
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
    : compute_(compute), config_(config), layout_(layout), parameters_(parameters) {
  const auto C = static_cast<size_t>(config.d_model);
  const auto T = static_cast<size_t>(config.context);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    keys_.emplace_back(T * C);
    values_.emplace_back(T * C);
  }
  x_ = Buffer<float>(C);
  normed_ = Buffer<float>(C);
  qkv_ = Buffer<float>(3 * C);
  mixed_ = Buffer<float>(C);
  wide_ = Buffer<float>(static_cast<size_t>(config.d_ff));
  scores_ = Buffer<float>(T * static_cast<size_t>(config.heads));
  scratch_ = Buffer<float>(std::max({vector_product_scratch_floats(config.d_model, 3 * config.d_model),
                                     vector_product_scratch_floats(config.d_model, config.d_model),
                                     vector_product_scratch_floats(config.d_model, config.d_ff),
                                     vector_product_scratch_floats(config.d_ff, config.d_model)}));
  logits_ = Buffer<float>(static_cast<size_t>(config.vocabulary));
}

void Generator::reset() {
  tokens_.clear();
}

std::span<const float> Generator::feed(uint32_t token) {
  PRETRAIN_CHECK(token < config_.vocabulary, "token {} of {}", token, config_.vocabulary);
  if (static_cast<int64_t>(tokens_.size()) == config_.context) {
    const std::vector<uint32_t> recent(tokens_.begin() + config_.context / 2, tokens_.end());
    tokens_.clear();
    for (const uint32_t t : recent) step(t);
  }
  step(token);
  norm(layout_.final_norm_gain(), layout_.final_norm_bias());
  matrix_times_vector(compute_, parameter(layout_.token_embedding()), normed_.data(), config_.vocabulary,
                      config_.d_model, logits_.data());
  return logits_.span();
}

/// Runs all layers for one more token and leaves the residual stream in x.
void Generator::step(uint32_t token) {
  const int64_t C = config_.d_model;
  const float* embedding = parameter(layout_.token_embedding()) + static_cast<int64_t>(token) * C;
  const float* position = parameter(layout_.position_embedding()) + static_cast<int64_t>(tokens_.size()) * C;
  for (int64_t c = 0; c < C; ++c) x_[static_cast<size_t>(c)] = embedding[c] + position[c];
  tokens_.push_back(token);
  for (size_t layer = 0; layer < keys_.size(); ++layer) {
    attention_layer(layer);
    mlp_layer(layer);
  }
}

void Generator::norm(size_t gain, size_t bias) {
  float mean = 0;
  float rstd = 0;
  layer_norm_forward(compute_, x_.data(), parameter(gain), parameter(bias), 1, config_.d_model,
                     normed_.data(), &mean, &rstd);
}

void Generator::attention_layer(size_t layer) {
  const BlockOffsets& at = layout_.blocks()[layer];
  const int64_t C = config_.d_model;
  const int64_t D = config_.head_size();
  const auto count = static_cast<int64_t>(tokens_.size());
  norm(at.norm1_gain, at.norm1_bias);
  vector_times_matrix(compute_, normed_.data(), parameter(at.qkv_weight), parameter(at.qkv_bias), C, 3 * C,
                      scratch_.data(), qkv_.data());
  std::copy_n(qkv_.data() + C, C, keys_[layer].data() + (count - 1) * C);
  std::copy_n(qkv_.data() + 2 * C, C, values_[layer].data() + (count - 1) * C);
  compute_.parallel_for(static_cast<size_t>(config_.heads), [&](size_t head) {
    const auto h = static_cast<int64_t>(head);
    attend_cached(qkv_.data() + h * D, keys_[layer].data() + h * D, values_[layer].data() + h * D, C, count,
                  D, scores_.data() + h * config_.context, mixed_.data() + h * D);
  });
  vector_times_matrix(compute_, mixed_.data(), parameter(at.attention_weight), parameter(at.attention_bias),
                      C, C, scratch_.data(), normed_.data());
  for (size_t c = 0; c < x_.size(); ++c) x_[c] += normed_[c];
}

void Generator::mlp_layer(size_t layer) {
  const BlockOffsets& at = layout_.blocks()[layer];
  const int64_t C = config_.d_model;
  norm(at.norm2_gain, at.norm2_bias);
  vector_times_matrix(compute_, normed_.data(), parameter(at.up_weight), parameter(at.up_bias), C,
                      config_.d_ff, scratch_.data(), wide_.data());
  gelu_forward(compute_, wide_.data(), wide_.size(), wide_.data());
  vector_times_matrix(compute_, wide_.data(), parameter(at.down_weight), parameter(at.down_bias),
                      config_.d_ff, C, scratch_.data(), normed_.data());
  for (size_t c = 0; c < x_.size(); ++c) x_[c] += normed_[c];
}

}  // namespace pretrain
