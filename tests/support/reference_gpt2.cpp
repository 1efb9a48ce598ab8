#include "tests/support/reference_gpt2.h"

#include <numeric>

#include "libs/tensor/reference/ops.h"

namespace pretrain::test {
namespace {

using reference::Matrix;

class ReferenceModel {
 public:
  ReferenceModel(const ModelConfig& config, const std::vector<double>& parameters, int64_t M)
      : c_(config), parameters_(parameters), M_(M) {}

  Matrix slice(size_t offset, int64_t count) const {
    const auto begin = parameters_.begin() + static_cast<int64_t>(offset);
    return Matrix(begin, begin + count);
  }
  Matrix norm(const Matrix& x, size_t gain, size_t bias) const {
    return reference::layer_norm(x, slice(gain, c_.d_model), slice(bias, c_.d_model), M_, c_.d_model);
  }
  Matrix linear(const Matrix& x, size_t weight, size_t bias, int64_t in, int64_t out) const {
    return reference::linear(x, slice(weight, in * out), slice(bias, out), M_, out, in);
  }
  void add(Matrix& x, const Matrix& y) const {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }
  void block(Matrix& x, const BlockOffsets& at) const {
    const int64_t C = c_.d_model;
    const Matrix qkv = linear(norm(x, at.norm1_gain, at.norm1_bias), at.qkv_weight, at.qkv_bias, C, 3 * C);
    const Matrix mixed =
        reference::causal_attention(qkv, M_ / c_.context, c_.context, c_.heads, c_.head_size());
    add(x, linear(mixed, at.attention_weight, at.attention_bias, C, C));
    const Matrix up = linear(norm(x, at.norm2_gain, at.norm2_bias), at.up_weight, at.up_bias, C, c_.d_ff);
    add(x, linear(reference::gelu(up), at.down_weight, at.down_bias, c_.d_ff, C));
  }

 private:
  const ModelConfig& c_;
  const std::vector<double>& parameters_;
  int64_t M_;
};

}  // namespace

std::vector<double> reference_logits(const ModelConfig& config, const ParameterLayout& layout,
                                     const std::vector<double>& parameters,
                                     std::span<const uint32_t> inputs) {
  const auto M = static_cast<int64_t>(inputs.size());
  const int64_t C = config.d_model;
  const ReferenceModel model(config, parameters, M);
  Matrix x(static_cast<size_t>(M * C));
  for (int64_t m = 0; m < M; ++m) {
    const Matrix token =
        model.slice(layout.token_embedding() + inputs[static_cast<size_t>(m)] * static_cast<size_t>(C), C);
    const Matrix position =
        model.slice(layout.position_embedding() + static_cast<size_t>(m % config.context * C), C);
    for (int64_t c = 0; c < C; ++c) {
      x[static_cast<size_t>(m * C + c)] = token[static_cast<size_t>(c)] + position[static_cast<size_t>(c)];
    }
  }
  for (const BlockOffsets& at : layout.blocks()) model.block(x, at);
  const Matrix h = model.norm(x, layout.final_norm_gain(), layout.final_norm_bias());
  return reference::linear_transposed(h, model.slice(layout.token_embedding(), config.vocabulary * C), M,
                                      config.vocabulary, C);
}

double reference_loss(const ModelConfig& config, const ParameterLayout& layout,
                      const std::vector<double>& parameters, std::span<const uint32_t> inputs,
                      std::span<const int32_t> targets) {
  const Matrix losses = reference::cross_entropy(reference_logits(config, layout, parameters, inputs),
                                                 targets, config.vocabulary);
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

}  // namespace pretrain::test
