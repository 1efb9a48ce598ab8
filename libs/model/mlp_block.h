// SPDX-License-Identifier: Apache-2.0
#pragma once
// The MLP half of a layer: out = x + down(gelu(up(norm(x)))).
// Letters: M positions, C d_model, F d_ff.

#include <string_view>
#include <vector>

#include "libs/model/linear.h"
#include "libs/model/norm.h"
#include "libs/model/token_context.h"

namespace pretrain {

class MlpBlock;

/// Where the parameters are in the flat array.
struct MlpParameters {
  using Block = MlpBlock;

  NormParameters norm;
  LinearParameters up;    // C to F
  LinearParameters down;  // F to C

  /// In the order of the forward pass.
  std::vector<LinearParameters> linears() const { return {up, down}; }
};

/// The names of its tensors.
struct MlpSpec {
  using Block = MlpBlock;

  NormSpec norm;
  LinearSpec up;
  LinearSpec down;

  MlpParameters add_to(ParameterTable& table, std::string_view prefix, const ModelConfig& config) const {
    const int64_t C = config.d_model;
    const int64_t F = config.d_ff;
    // The order of initialisers is the order of evaluation, and so that of the tensors in the flat array.
    return {.norm = table.add_norm(prefix, norm, C),
            .up = table.add_linear(prefix, up, C, F),
            .down = table.add_linear(prefix, down, F, C, ParameterRole::kResidualMatrix)};
  }
};

/// The tensors of one layer's MLP.
struct MlpTensors {
  NormStatistics norm;
  Operand up_out;  // [M, F], before the activation
  // Kept or, where that is computed again, in use only while the block is at work.
  Operand normed;     // [M, C]
  Operand activated;  // [M, F]
  // In use only while the block is at work.
  float* dup_out;  // [M, F], gradient of up_out, or its sums before they are rounded

  /// What lives from the forward pass to the backward pass.
  void cut_kept(MemoryCutter& cutter, const PassShape& shape);
  /// What lives while the block is at work: the blocks of all layers may have it in one place.
  void cut_working(MemoryCutter& cutter, const PassShape& shape);
  /// Takes over the working tensors of another layer's block.
  void share_working(const MlpTensors& other, const PassShape& shape);
};

/// One token at a time. Single-owner.
class MlpDecoder {
 public:
  MlpDecoder(TokenContext& context, const MlpParameters& at);

  /// Adds the branch of the token at work to the residual stream.
  void step();

 private:
  TokenContext& c_;
  MlpParameters at_;
  Buffer<float> wide_;  // [F]
};

/// Single-owner.
class MlpBlock {
 public:
  using Spec = MlpSpec;
  using Parameters = MlpParameters;
  using Tensors = MlpTensors;
  using Decoder = MlpDecoder;

  MlpBlock(PassContext& context, const MlpParameters& at, const MlpTensors& tensors);

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
  Linear up_, down_;
  const MlpTensors& t_;
};

}  // namespace pretrain
