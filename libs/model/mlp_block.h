#pragma once
// The MLP half of a layer: out = x + down(gelu(up(norm(x)))).
// Letters: M positions, C d_model, F d_ff.

#include "libs/model/linear.h"
#include "libs/model/norm.h"

namespace pretrain {

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

/// Single-owner.
class MlpBlock {
 public:
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
