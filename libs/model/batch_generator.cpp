// SPDX-License-Identifier: Apache-2.0
#include "libs/model/batch_generator.h"

#include <variant>

#include "libs/base/check.h"
#include "libs/tensor/activation.h"
#include "libs/tensor/swiglu.h"

namespace pretrain {
namespace {

/// From so many rows on, attention of a prompt in one pass is faster than row by row.
constexpr size_t kShortestPrompt = 8;

GeneratorWeights weights_of(const ParameterLayout& layout, const float* parameters) {
  return {.parameters = parameters, .linears = layout.linears(), .head = layout.head().weight};
}

/// Adds the branch of each kind of block to the residual stream of the rows at work.
struct BlockStep {
  GeneratorContext& c;
  KeyValueCache& cache;

  void operator()(const AttentionParameters& at) const { attention(at, {}); }
  void operator()(const RotaryAttentionParameters& at) const {
    attention(at, {.rotary = &*c.rotary,
                   .q_gain = at.q_gain ? c.parameter(*at.q_gain) : nullptr,
                   .k_gain = at.k_gain ? c.parameter(*at.k_gain) : nullptr,
                   .epsilon = static_cast<float>(c.config.norm_epsilon)});
  }

  void operator()(const MlpParameters& at) const {
    const int64_t wide = c.row_count() * c.config.d_ff;
    float* hidden = c.first.take(wide);
    c.norm(at.norm);
    c.linear(at.up, c.normed, hidden);
    gelu_forward(c.compute, hidden, static_cast<size_t>(wide), hidden);
    add_branch(at.down, hidden);
  }

  void operator()(const GatedMlpParameters& at) const {
    const int64_t F = c.config.d_ff;
    float* gate = c.first.take(c.row_count() * F);
    float* up = c.second.take(c.row_count() * F);
    c.norm(at.norm);
    c.linear(at.gate, c.normed, gate);
    c.linear(at.up, c.normed, up);
    c.compute.parallel_for(c.rows.size(), [&](size_t m) {
      const int64_t row = static_cast<int64_t>(m) * F;
      swiglu_forward_block(1, F, 0, gate + row, up + row, up + row);
    });
    add_branch(at.down, up);
  }

  void attention(const auto& at, const AttentionTurn& turn) const {
    float* qkv = c.first.take(c.row_count() * c.config.qkv_width());
    float* mixed = c.third.take(c.row_count() * c.config.attention_width());
    c.norm(at.norm);
    c.linear(at.qkv, c.normed, qkv);
    cache.attend(c, qkv, mixed, turn);
    add_branch(at.output, mixed);
  }

  void add_branch(const LinearParameters& at, const float* x) const {
    c.linear(at, x, c.normed);
    c.add_to_residual(c.normed);
  }
};

}  // namespace

BatchGenerator::BatchGenerator(Compute& compute, const ModelConfig& config, const ParameterLayout& layout,
                               const float* parameters, const GeneratorShape& shape)
    : context_(compute, config, weights_of(layout, parameters), shape),
      layout_(layout),
      sequences_(static_cast<size_t>(shape.sequences)) {
  PRETRAIN_CHECK(shape.context <= config.context || config.rope_theta != 0, "context {} of {}", shape.context,
                 config.context);
  for (int64_t l = 0; l < config.layers; ++l) caches_.emplace_back(context_);
}

void BatchGenerator::truncate(int64_t sequence, int64_t length) {
  std::vector<uint32_t>& tokens = at(sequence);
  PRETRAIN_CHECK(length <= static_cast<int64_t>(tokens.size()), "{} of {} tokens", length, tokens.size());
  tokens.resize(static_cast<size_t>(length));
}

void BatchGenerator::copy(int64_t from, int64_t to) {
  if (from == to) return;
  at(to) = at(from);
  for (KeyValueCache& cache : caches_) cache.copy(from, to, static_cast<int64_t>(at(from).size()));
}

std::span<const float> BatchGenerator::append(std::span<const NextToken> next) {
  for (const NextToken& one : next) {
    if (static_cast<int64_t>(at(one.sequence).size()) == context()) forget_older_half(one.sequence);
  }
  begin_rows();
  for (const NextToken& one : next) take(one);
  pass(false);
  return logits_from(0);
}

void BatchGenerator::forget_older_half(int64_t sequence) {
  std::vector<uint32_t>& tokens = at(sequence);
  const std::vector<uint32_t> recent(tokens.begin() + context() / 2, tokens.end());
  tokens.clear();
  read_rows(sequence, recent);
}

std::span<const float> BatchGenerator::read(int64_t sequence, std::span<const uint32_t> tokens,
                                            int64_t logits_of) {
  const auto count = static_cast<int64_t>(tokens.size());
  PRETRAIN_CHECK(1 <= logits_of && logits_of <= count, "logits of {} of {} tokens", logits_of, count);
  read_rows(sequence, tokens);
  return logits_from(count - logits_of);
}

void BatchGenerator::read_rows(int64_t sequence, std::span<const uint32_t> tokens) {
  begin_rows();
  const bool is_prompt = at(sequence).empty() && tokens.size() >= kShortestPrompt;
  for (const uint32_t token : tokens) take({sequence, token});
  pass(is_prompt);
}

void BatchGenerator::begin_rows() {
  rows_.clear();
  row_tokens_.clear();
}

/// Adds a row to the next pass.
void BatchGenerator::take(const NextToken& next) {
  PRETRAIN_CHECK(next.token < context_.config.vocabulary, "token {} of {}", next.token,
                 context_.config.vocabulary);
  std::vector<uint32_t>& tokens = at(next.sequence);
  const auto position = static_cast<int64_t>(tokens.size());
  PRETRAIN_CHECK(position < context(), "token {} of a context of {}", position, context());
  rows_.push_back({next.sequence, position});
  row_tokens_.push_back(next.token);
  tokens.push_back(next.token);
}

/// Runs all layers for the rows, up to the last residual stream.
void BatchGenerator::pass(bool is_prompt) {
  context_.begin(rows_, is_prompt);
  const auto C = static_cast<size_t>(context_.config.d_model);
  for (size_t m = 0; m < rows_.size(); ++m) {
    embed_token(layout_.embedding(), context_.parameters, row_tokens_[m], rows_[m].position,
                {context_.residual + m * C, C});
  }
  for (size_t l = 0; l < caches_.size(); ++l) {
    for (const BlockParameters& block : layout_.layers()[l])
      std::visit(BlockStep{context_, caches_[l]}, block);
  }
}

std::span<const float> BatchGenerator::logits_from(int64_t first_row) {
  const int64_t count = context_.row_count() - first_row;
  const int64_t V = context_.config.vocabulary;
  float* logits = logits_.take(count * V);
  context_.norm(layout_.head().norm, first_row);
  context_.head(context_.normed, count, logits);
  return {logits, static_cast<size_t>(count * V)};
}

}  // namespace pretrain
