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
  size_t scratch = 0;
  for (const LinearParameters& at : layout.layers().front().linears()) {
    scratch = std::max(scratch, vector_product_scratch_floats(at.in, at.out));
  }
  scratch_ = Buffer<float>(scratch);
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
  norm(layout_.final_norm());
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

void Generator::norm(const NormParameters& at) {
  float mean = 0;
  float rstd = 0;
  layer_norm_forward(compute_, x_.data(), parameter(at.gain), parameter(at.bias), 1, config_.d_model,
                     normed_.data(), &mean, &rstd);
}

void Generator::linear(const LinearParameters& at, const float* x, float* out) {
  vector_times_matrix(compute_, x, parameter(at.weight), parameter(at.bias), at.in, at.out, scratch_.data(),
                      out);
}

void Generator::add_to_residual(const Buffer<float>& branch) {
  for (size_t c = 0; c < x_.size(); ++c) x_[c] += branch[c];
}

void Generator::attention_layer(size_t layer) {
  const AttentionParameters& at = layout_.layers()[layer].attention;
  const int64_t C = config_.d_model;
  const int64_t D = config_.head_size();
  const auto count = static_cast<int64_t>(tokens_.size());
  norm(at.norm);
  linear(at.qkv, normed_.data(), qkv_.data());
  std::copy_n(qkv_.data() + C, C, keys_[layer].data() + (count - 1) * C);
  std::copy_n(qkv_.data() + 2 * C, C, values_[layer].data() + (count - 1) * C);
  compute_.parallel_for(static_cast<size_t>(config_.heads), [&](size_t head) {
    const auto h = static_cast<int64_t>(head);
    attend_cached(qkv_.data() + h * D, keys_[layer].data() + h * D, values_[layer].data() + h * D, C, count,
                  D, scores_.data() + h * config_.context, mixed_.data() + h * D);
  });
  linear(at.output, mixed_.data(), normed_.data());
  add_to_residual(normed_);
}

void Generator::mlp_layer(size_t layer) {
  const MlpParameters& at = layout_.layers()[layer].mlp;
  norm(at.norm);
  linear(at.up, normed_.data(), wide_.data());
  gelu_forward(compute_, wide_.data(), wide_.size(), wide_.data());
  linear(at.down, wide_.data(), normed_.data());
  add_to_residual(normed_);
}

}  // namespace pretrain
