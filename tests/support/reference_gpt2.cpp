// SPDX-License-Identifier: Apache-2.0
#include "tests/support/reference_gpt2.h"

#include <numeric>

#include "libs/tensor/reference/ops.h"

namespace pretrain::test {
namespace {

using reference::Matrix;

void add(Matrix& x, const Matrix& y) {
  for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

Matrix transposed(const Matrix& in, int64_t rows, int64_t columns) {
  Matrix out(in.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c)
      out[static_cast<size_t>(c * rows + r)] = in[static_cast<size_t>(r * columns + c)];
  }
  return out;
}

/// The two blocks of a layer of GPT-2.
struct LayerAt {
  explicit LayerAt(const LayerParameters& blocks)
      : attention(std::get<AttentionParameters>(blocks.at(0))), mlp(std::get<MlpParameters>(blocks.at(1))) {}

  AttentionParameters attention;
  MlpParameters mlp;
};

/// What one layer computes on its way, for its backward pass.
struct Block {
  Matrix x, normed1, qkv, mixed, middle, normed2, up, activated;
};

class ReferenceModel {
 public:
  ReferenceModel(const ModelConfig& config, const ParameterLayout& layout,
                 const std::vector<double>& parameters, std::span<const uint32_t> inputs)
      : c_(config),
        layout_(layout),
        parameters_(parameters),
        inputs_(inputs),
        M_(static_cast<int64_t>(inputs.size())) {}

  Matrix logits() {
    Matrix x = embedded();
    for (const LayerParameters& blocks : layout_.layers()) {
      const LayerAt at(blocks);
      blocks_.push_back(block(std::move(x), at));
      x = output_of(blocks_.back(), at);
    }
    final_ = std::move(x);
    hidden_ = norm(final_, layout_.head().norm);
    return reference::linear_transposed(hidden_, embedding(), M_, c_.vocabulary, c_.d_model);
  }

  /// Requires: logits() was called.
  Matrix gradients(const Matrix& dlogits) {
    gradients_.assign(layout_.flat_size(), 0);
    const int64_t C = c_.d_model;
    // logits = h E^T: dh = dlogits E, dE = dlogits^T h.
    Matrix dx = reference::linear(dlogits, embedding(), {}, M_, C, c_.vocabulary);
    add_at(layout_.embedding().tokens,
           reference::linear(transposed(dlogits, M_, c_.vocabulary), hidden_, {}, c_.vocabulary, C, M_));
    dx = norm_backward(dx, final_, layout_.head().norm);
    for (size_t left = blocks_.size(); left > 0; --left)
      block_backward(dx, blocks_[left - 1], LayerAt(layout_.layers()[left - 1]));
    embed_backward(dx);
    return gradients_;
  }

 private:
  Matrix slice(size_t offset, int64_t count) const {
    const auto begin = parameters_.begin() + static_cast<int64_t>(offset);
    return Matrix(begin, begin + count);
  }
  Matrix embedding() const { return slice(layout_.embedding().tokens, c_.vocabulary * c_.d_model); }
  Matrix norm(const Matrix& x, const NormParameters& at) const {
    return reference::layer_norm(x, slice(at.gain, c_.d_model), slice(*at.bias, c_.d_model), M_, c_.d_model);
  }
  Matrix linear(const Matrix& x, const LinearParameters& at) const {
    return reference::linear(x, slice(at.weight, at.in * at.out), slice(*at.bias, at.out), M_, at.out, at.in);
  }

  size_t token_row(int64_t m) const {
    return layout_.embedding().tokens + inputs_[static_cast<size_t>(m)] * static_cast<size_t>(c_.d_model);
  }
  size_t position_row(int64_t m) const {
    return *layout_.embedding().positions + static_cast<size_t>(m % c_.context * c_.d_model);
  }
  Matrix embedded() const {
    Matrix x;
    for (int64_t m = 0; m < M_; ++m) {
      Matrix row = slice(token_row(m), c_.d_model);
      add(row, slice(position_row(m), c_.d_model));
      x.insert(x.end(), row.begin(), row.end());
    }
    return x;
  }

  Block block(Matrix x, const LayerAt& at) const {
    Block b{.x = std::move(x)};
    b.normed1 = norm(b.x, at.attention.norm);
    b.qkv = linear(b.normed1, at.attention.qkv);
    b.mixed = reference::causal_attention(b.qkv, M_ / c_.context, c_.context, c_.heads, c_.head_size());
    b.middle = b.x;
    add(b.middle, linear(b.mixed, at.attention.output));
    b.normed2 = norm(b.middle, at.mlp.norm);
    b.up = linear(b.normed2, at.mlp.up);
    b.activated = reference::gelu(b.up);
    return b;
  }
  Matrix output_of(const Block& b, const LayerAt& at) const {
    Matrix out = b.middle;
    add(out, linear(b.activated, at.mlp.down));
    return out;
  }

  void add_at(size_t offset, const Matrix& values) {
    for (size_t i = 0; i < values.size(); ++i) gradients_[offset + i] += values[i];
  }
  /// y = x W + b: stores dW = x^T dy and db, returns dx = dy W^T.
  Matrix linear_backward(const Matrix& dy, const Matrix& x, const LinearParameters& at) {
    add_at(at.weight, reference::linear(transposed(x, M_, at.in), dy, {}, at.in, at.out, M_));
    for (int64_t m = 0; m < M_; ++m)
      add_at(*at.bias, Matrix(dy.begin() + m * at.out, dy.begin() + (m + 1) * at.out));
    return reference::linear_transposed(dy, slice(at.weight, at.in * at.out), M_, at.in, at.out);
  }
  Matrix norm_backward(const Matrix& dy, const Matrix& x, const NormParameters& at) {
    auto d = reference::layer_norm_backward(dy, x, slice(at.gain, c_.d_model), M_, c_.d_model);
    add_at(at.gain, d.gamma);
    add_at(*at.bias, d.beta);
    return std::move(d.x);
  }
  /// dx is the gradient of the block's output on entry, that of its input on return.
  void block_backward(Matrix& dx, const Block& b, const LayerAt& at) {
    const Matrix dactivated = linear_backward(dx, b.activated, at.mlp.down);
    const Matrix dup = reference::gelu_backward(dactivated, b.up);
    const Matrix dnormed2 = linear_backward(dup, b.normed2, at.mlp.up);
    add(dx, norm_backward(dnormed2, b.middle, at.mlp.norm));
    const Matrix dmixed = linear_backward(dx, b.mixed, at.attention.output);
    const Matrix dqkv = reference::causal_attention_backward(dmixed, b.qkv, M_ / c_.context, c_.context,
                                                             c_.heads, c_.head_size());
    const Matrix dnormed1 = linear_backward(dqkv, b.normed1, at.attention.qkv);
    add(dx, norm_backward(dnormed1, b.x, at.attention.norm));
  }
  void embed_backward(const Matrix& dx) {
    for (int64_t m = 0; m < M_; ++m) {
      const Matrix row(dx.begin() + m * c_.d_model, dx.begin() + (m + 1) * c_.d_model);
      add_at(token_row(m), row);
      add_at(position_row(m), row);
    }
  }

  const ModelConfig& c_;
  const ParameterLayout& layout_;
  const std::vector<double>& parameters_;
  std::span<const uint32_t> inputs_;
  int64_t M_;
  std::vector<Block> blocks_;
  Matrix final_, hidden_;  // before and after the last norm
  Matrix gradients_;
};

}  // namespace

std::vector<double> reference_logits(const ModelConfig& config, const ParameterLayout& layout,
                                     const std::vector<double>& parameters,
                                     std::span<const uint32_t> inputs) {
  return ReferenceModel(config, layout, parameters, inputs).logits();
}

double reference_loss(const ModelConfig& config, const ParameterLayout& layout,
                      const std::vector<double>& parameters, std::span<const uint32_t> inputs,
                      std::span<const int32_t> targets) {
  const Matrix losses = reference::cross_entropy(reference_logits(config, layout, parameters, inputs),
                                                 targets, config.vocabulary);
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

std::vector<double> reference_gradients(const ModelConfig& config, const ParameterLayout& layout,
                                        const std::vector<double>& parameters,
                                        std::span<const uint32_t> inputs, std::span<const int32_t> targets) {
  ReferenceModel model(config, layout, parameters, inputs);
  const Matrix logits = model.logits();
  return model.gradients(reference::cross_entropy_backward(logits, targets, config.vocabulary));
}

}  // namespace pretrain::test
