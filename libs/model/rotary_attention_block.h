// SPDX-License-Identifier: Apache-2.0
#pragma once
// The attention half of a layer with rotary positions: out = x + output(attention(turn(q), turn(k), v)), where q, k and
// v are projections of norm(x) and turn() is RoPE, after a norm of each head where the architecture has one.
// Letters: B rows, T context, M = B*T, C d_model, H query heads, K key-value heads, D channels of a head,
// W = (H + 2K) D.

#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/model/linear.h"
#include "libs/model/norm.h"
#include "libs/model/token_context.h"

namespace pretrain {

class RotaryAttentionBlock;

/// Where the parameters are in the flat array. The matrices of q, k and v, each [out, in], follow each other without a
/// gap: together they are the matrix of one product.
struct RotaryAttentionParameters {
  using Block = RotaryAttentionBlock;

  NormParameters norm;
  LinearParameters qkv;                  // C to W
  LinearParameters output;               // H*D to C
  std::optional<size_t> q_gain, k_gain;  // [D], the norms of heads

  /// In the order of the forward pass.
  std::vector<LinearParameters> linears() const { return {qkv, output}; }
};

/// The names of its tensors.
struct RotaryAttentionSpec {
  using Block = RotaryAttentionBlock;

  NormSpec norm;
  std::string_view q, k, v;  ///< NAME.weight, [out, in], without a bias
  LinearSpec output;
  std::string_view q_norm = {}, k_norm = {};  ///< NAME.weight [D]; empty: heads have no norm

  RotaryAttentionParameters add_to(ParameterTable& table, std::string_view prefix,
                                   const ModelConfig& config) const {
    const int64_t C = config.d_model;
    const int64_t D = config.head_size();
    const int64_t key_values = config.key_value_heads() * D;
    RotaryAttentionParameters at{};
    at.norm = table.add_norm(prefix, norm, C);
    const auto add = [&](std::string_view name, int64_t out) {
      return table.add_linear(prefix, {.name = name, .order = MatrixOrder::kOutIn, .has_bias = false}, C,
                              out);
    };
    const LinearParameters first = add(q, config.attention_width());
    const LinearParameters second = add(k, key_values);
    const LinearParameters third = add(v, key_values);
    PRETRAIN_CHECK(second.weight == first.weight + static_cast<size_t>(C * first.out) &&
                       third.weight == second.weight + static_cast<size_t>(C * second.out),
                   "a gap between the matrices of q, k and v of width {}", C);
    at.qkv = first;
    at.qkv.out = config.qkv_width();
    at.output = table.add_linear(prefix, output, config.attention_width(), C, ParameterRole::kResidualMatrix);
    const auto add_gain = [&](std::string_view name) {
      return table.add(fmt::format("{}{}.weight", prefix, name), {D}, ParameterRole::kNormGain);
    };
    if (!q_norm.empty()) {
      at.q_gain = add_gain(q_norm);
      at.k_gain = add_gain(k_norm);
    }
    return at;
  }
};

/// The tensors of one layer's attention.
struct RotaryAttentionTensors {
  NormStatistics norm;
  Operand qkv_out;        // [M, W], before it is turned
  Operand attention_out;  // [M, H*D]
  float* log_sum_exp;     // [B, H, T]
  // Kept or, where that is computed again, in use only while the block is at work.
  Operand normed;  // [M, C]
  // In use only while the block is at work.
  float* dqkv;            // [M, W], gradient of qkv_out, or its sums before they are rounded
  float* dattention_out;  // [M, H*D]

  /// What lives from the forward pass to the backward pass.
  void cut_kept(MemoryCutter& cutter, const PassShape& shape);
  /// What lives while the block is at work: the blocks of all layers may have it in one place.
  void cut_working(MemoryCutter& cutter, const PassShape& shape);
  /// Takes over the working tensors of another layer's block.
  void share_working(const RotaryAttentionTensors& other, const PassShape& shape);
};

/// One token at a time, with the turned keys and the values of those before it. Single-owner.
class RotaryAttentionDecoder {
 public:
  RotaryAttentionDecoder(TokenContext& context, const RotaryAttentionParameters& at);

  /// Adds the branch of the token at work to the residual stream. Positions come in order, from 0 after a
  /// reset.
  void step();

 private:
  void turn_heads();

  TokenContext& c_;
  RotaryAttentionParameters at_;
  Buffer<float> keys_, values_;  // [T, K*D]
  Buffer<float> qkv_, mixed_;    // [W], [H*D]
  Buffer<float> scores_;         // [H, T]
};

/// Single-owner.
class RotaryAttentionBlock {
 public:
  using Spec = RotaryAttentionSpec;
  using Parameters = RotaryAttentionParameters;
  using Tensors = RotaryAttentionTensors;
  using Decoder = RotaryAttentionDecoder;

  RotaryAttentionBlock(PassContext& context, const RotaryAttentionParameters& at,
                       const RotaryAttentionTensors& tensors);

  /// After each change of the parameters in use.
  void pack();

  /// Shapes: x, out [M, C].
  /// Aliasing: out is not x.
  void forward(const float* x, float* out);

  /// The part of forward() that backward() needs, where layers share their tensors.
  void restore(const float* x);

  /// dx holds the gradient of out on entry and that of x on return: the branch adds to it.
  /// Shapes: x, dx [M, C]; dnarrow [M, C] is scratch.
  void backward(const float* x, const GradientSink& gradients, float* dx, float* dnarrow);

 private:
  AttentionTurn turn() const;

  PassContext& c_;
  RotaryAttentionParameters at_;
  Norm norm_;
  Linear qkv_, output_;
  const RotaryAttentionTensors& t_;
};

}  // namespace pretrain
