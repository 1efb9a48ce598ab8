// SPDX-License-Identifier: Apache-2.0
#pragma once
// The gated MLP half of a layer, SwiGLU: out = x + down(silu(gate(h)) * up(h)), h = norm(x).
// Letters: M positions, C d_model, F d_ff.

#include <string_view>
#include <vector>

#include "libs/model/linear.h"
#include "libs/model/norm.h"
#include "libs/model/token_context.h"

namespace pretrain {

class GatedMlpBlock;

/// Where the parameters are in the flat array.
struct GatedMlpParameters {
  using Block = GatedMlpBlock;

  NormParameters norm;
  LinearParameters gate;  // C to F
  LinearParameters up;    // C to F
  LinearParameters down;  // F to C

  /// In the order of the forward pass.
  std::vector<LinearParameters> linears() const { return {gate, up, down}; }
};

/// The names of its tensors.
struct GatedMlpSpec {
  using Block = GatedMlpBlock;

  NormSpec norm;
  LinearSpec gate;
  LinearSpec up;
  LinearSpec down;

  GatedMlpParameters add_to(ParameterTable& table, std::string_view prefix, const ModelConfig& config) const {
    const int64_t C = config.d_model;
    const int64_t F = config.d_ff;
    // The order of initialisers is the order of evaluation, and so that of the tensors in the flat array.
    return {.norm = table.add_norm(prefix, norm, C),
            .gate = table.add_linear(prefix, gate, C, F),
            .up = table.add_linear(prefix, up, C, F),
            .down = table.add_linear(prefix, down, F, C, ParameterRole::kResidualMatrix)};
  }
};

/// The tensors of one layer's MLP.
struct GatedMlpTensors {
  NormStatistics norm;
  Operand gate_out;  // [M, F], before the activation
  Operand up_out;    // [M, F]
  // Kept or, where that is computed again, in use only while the block is at work.
  Operand normed;  // [M, C]
  Operand hidden;  // [M, F], silu(gate_out) * up_out
  // In use only while the block is at work: gradients, or sums before they are rounded.
  float* dgate_out;  // [M, F]
  float* dup_out;    // [M, F]

  /// What lives from the forward pass to the backward pass.
  void cut_kept(MemoryCutter& cutter, const PassShape& shape);
  /// What lives while the block is at work: the blocks of all layers may have it in one place.
  void cut_working(MemoryCutter& cutter, const PassShape& shape);
  /// Takes over the working tensors of another layer's block.
  void share_working(const GatedMlpTensors& other, const PassShape& shape);
};

/// One token at a time. Single-owner.
class GatedMlpDecoder {
 public:
  GatedMlpDecoder(TokenContext& context, const GatedMlpParameters& at);

  /// Adds the branch of the token at work to the residual stream.
  void step();

 private:
  TokenContext& c_;
  GatedMlpParameters at_;
  Buffer<float> gate_, up_;  // [F]
};

/// Single-owner.
class GatedMlpBlock {
 public:
  using Spec = GatedMlpSpec;
  using Parameters = GatedMlpParameters;
  using Tensors = GatedMlpTensors;
  using Decoder = GatedMlpDecoder;

  GatedMlpBlock(PassContext& context, const GatedMlpParameters& at, const GatedMlpTensors& tensors);

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
  Linear gate_, up_, down_;
  const GatedMlpTensors& t_;
};

}  // namespace pretrain
