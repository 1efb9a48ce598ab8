// SPDX-License-Identifier: Apache-2.0
#pragma once
// The attention half of a layer: out = x + output(attention(qkv(norm(x)))).
// Letters: B rows, T context, M = B*T, C d_model, H heads.

#include <string_view>
#include <vector>

#include "libs/model/linear.h"
#include "libs/model/norm.h"
#include "libs/model/token_context.h"

namespace pretrain {

class AttentionBlock;

/// Where the parameters are in the flat array.
struct AttentionParameters {
  using Block = AttentionBlock;

  NormParameters norm;
  LinearParameters qkv;     // C to 3C
  LinearParameters output;  // C to C

  /// In the order of the forward pass.
  std::vector<LinearParameters> linears() const { return {qkv, output}; }
};

/// The names of its tensors: q, k and v side by side in one matrix.
struct AttentionSpec {
  using Block = AttentionBlock;

  NormSpec norm;
  LinearSpec qkv;
  LinearSpec output;

  AttentionParameters add_to(ParameterTable& table, std::string_view prefix,
                             const ModelConfig& config) const {
    const int64_t C = config.d_model;
    // The order of initialisers is the order of evaluation, and so that of the tensors in the flat array.
    return {.norm = table.add_norm(prefix, norm, C),
            .qkv = table.add_linear(prefix, qkv, C, 3 * C),
            .output = table.add_linear(prefix, output, C, C, ParameterRole::kResidualMatrix)};
  }
};

/// The tensors of one layer's attention.
struct AttentionTensors {
  NormStatistics norm;
  Operand qkv_out;        // [M, 3C]
  Operand attention_out;  // [M, C]
  float* log_sum_exp;     // [B, H, T]
  // Kept or, where that is computed again, in use only while the block is at work.
  Operand normed;  // [M, C]
  // In use only while the block is at work.
  float* dqkv;  // [M, 3C], gradient of qkv_out, or its sums before they are rounded

  /// What lives from the forward pass to the backward pass.
  void cut_kept(MemoryCutter& cutter, const PassShape& shape);
  /// What lives while the block is at work: the blocks of all layers may have it in one place.
  void cut_working(MemoryCutter& cutter, const PassShape& shape);
  /// Takes over the working tensors of another layer's block.
  void share_working(const AttentionTensors& other, const PassShape& shape);
};

/// One token at a time, with the keys and values of those before it. Single-owner.
class AttentionDecoder {
 public:
  AttentionDecoder(TokenContext& context, const AttentionParameters& at);

  /// Adds the branch of the token at work to the residual stream. Positions come in order, from 0 after a
  /// reset.
  void step();

 private:
  TokenContext& c_;
  AttentionParameters at_;
  Buffer<float> keys_, values_;  // [T, C]
  Buffer<float> qkv_, mixed_;    // [3C], [C]
  Buffer<float> scores_;         // [H, T]
};

/// Single-owner.
class AttentionBlock {
 public:
  using Spec = AttentionSpec;
  using Parameters = AttentionParameters;
  using Tensors = AttentionTensors;
  using Decoder = AttentionDecoder;

  AttentionBlock(PassContext& context, const AttentionParameters& at, const AttentionTensors& tensors);

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
  PassContext& c_;
  Norm norm_;
  Linear qkv_, output_;
  const AttentionTensors& t_;
};

}  // namespace pretrain
