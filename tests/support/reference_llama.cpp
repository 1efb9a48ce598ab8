// SPDX-License-Identifier: Apache-2.0
#include "tests/support/reference_llama.h"

#include <algorithm>
#include <numeric>
#include <string>

#include <fmt/format.h>

#include "libs/tensor/reference/gated_ops.h"

namespace pretrain::test {
namespace {

using reference::Matrix;

class ReferenceLlama {
 public:
  ReferenceLlama(const ModelConfig& config, const ParameterLayout& layout,
                 const std::vector<double>& parameters, std::span<const uint32_t> inputs)
      : c_(config),
        layout_(layout),
        parameters_(parameters),
        inputs_(inputs),
        M_(static_cast<int64_t>(inputs.size())) {}

  Matrix logits() const {
    Matrix x = embedded();
    for (int64_t l = 0; l < c_.layers; ++l) {
      const std::string layer = fmt::format("model.layers.{}.", l);
      add(attention(normed(x, layer + "input_layernorm"), layer + "self_attn."), x);
      add(mlp(normed(x, layer + "post_attention_layernorm"), layer + "mlp."), x);
    }
    const Matrix head = has("lm_head") ? tensor("lm_head") : tensor("model.embed_tokens");
    return reference::linear_transposed(normed(x, "model.norm"), head, M_, c_.vocabulary, c_.d_model);
  }

 private:
  static void add(const Matrix& y, Matrix& x) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }
  bool has(const std::string& name) const {
    return std::ranges::any_of(layout_.tensors(), [&](const auto& t) { return t.name == name + ".weight"; });
  }
  Matrix tensor(const std::string& name) const {
    const auto t = std::ranges::find(layout_.tensors(), name + ".weight", &ParameterInfo::name);
    const auto first = parameters_.begin() + static_cast<int64_t>(t->offset);
    return {first, first + static_cast<int64_t>(t->size)};
  }
  Matrix embedded() const {
    const Matrix embedding = tensor("model.embed_tokens");
    Matrix x;
    for (const uint32_t token : inputs_) {
      const auto row = embedding.begin() + token * c_.d_model;
      x.insert(x.end(), row, row + c_.d_model);
    }
    return x;
  }
  Matrix normed(const Matrix& x, const std::string& name) const {
    return reference::rms_norm(x, tensor(name), c_.norm_epsilon, M_, c_.d_model);
  }
  Matrix linear(const Matrix& x, const std::string& name, int64_t in, int64_t out) const {
    return reference::linear_transposed(x, tensor(name), M_, out, in);
  }
  Matrix attention(const Matrix& h, const std::string& at) const {
    const int64_t D = c_.head_size();
    const int64_t cached = c_.key_value_heads() * D;
    reference::GroupedAttention a{.B = M_ / c_.context,
                                  .T = c_.context,
                                  .H = c_.heads,
                                  .K = c_.key_value_heads(),
                                  .D = D,
                                  .theta = c_.rope_theta,
                                  .epsilon = c_.norm_epsilon};
    if (has(at + "q_norm")) a.q_gain = tensor(at + "q_norm");
    if (has(at + "k_norm")) a.k_gain = tensor(at + "k_norm");
    const Matrix q = linear(h, at + "q_proj", c_.d_model, c_.heads * D);
    const Matrix k = linear(h, at + "k_proj", c_.d_model, cached),
                 v = linear(h, at + "v_proj", c_.d_model, cached);
    Matrix qkv;
    for (int64_t m = 0; m < M_; ++m) {
      qkv.insert(qkv.end(), q.begin() + m * c_.heads * D, q.begin() + (m + 1) * c_.heads * D);
      qkv.insert(qkv.end(), k.begin() + m * cached, k.begin() + (m + 1) * cached);
      qkv.insert(qkv.end(), v.begin() + m * cached, v.begin() + (m + 1) * cached);
    }
    return linear(reference::grouped_attention(qkv, a), at + "o_proj", c_.heads * D, c_.d_model);
  }
  Matrix mlp(const Matrix& h, const std::string& at) const {
    const Matrix gate = linear(h, at + "gate_proj", c_.d_model, c_.d_ff);
    const Matrix up = linear(h, at + "up_proj", c_.d_model, c_.d_ff);
    return linear(reference::swiglu(gate, up), at + "down_proj", c_.d_ff, c_.d_model);
  }

  const ModelConfig& c_;
  const ParameterLayout& layout_;
  const std::vector<double>& parameters_;
  std::span<const uint32_t> inputs_;
  int64_t M_;
};

}  // namespace

std::vector<double> reference_llama_logits(const ModelConfig& config, const ParameterLayout& layout,
                                           const std::vector<double>& parameters,
                                           std::span<const uint32_t> inputs) {
  return ReferenceLlama(config, layout, parameters, inputs).logits();
}

double reference_llama_loss(const ModelConfig& config, const ParameterLayout& layout,
                            const std::vector<double>& parameters, std::span<const uint32_t> inputs,
                            std::span<const int32_t> targets) {
  const Matrix losses = reference::cross_entropy(reference_llama_logits(config, layout, parameters, inputs),
                                                 targets, config.vocabulary);
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

}  // namespace pretrain::test
