#pragma once
// The attention half of a layer: out = x + output(attention(qkv(norm(x)))).
// Letters: B rows, T context, M = B*T, C d_model, H heads.

#include "libs/model/linear.h"
#include "libs/model/norm.h"
#include "libs/tensor/attention.h"

namespace pretrain {

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

/// Single-owner. `attention` is scratch that the blocks of all layers use one after the other.
class AttentionBlock {
 public:
  AttentionBlock(PassContext& context, CausalAttention& attention, const AttentionParameters& at,
                 const AttentionTensors& tensors);

  /// After each change of the parameters in use.
  void pack();

  /// Shapes: x, out [M, C].
  /// Aliasing: out is not x.
  void forward(const float* x, float* out);

  /// dx holds the gradient of out on entry and that of x on return: the branch adds to it.
  /// Shapes: x, dx [M, C]; dnarrow [M, C] is scratch.
  void backward(const float* x, const GradientSink& gradients, float* dx, float* dnarrow);

 private:
  PassContext& c_;
  CausalAttention& attention_;
  Norm norm_;
  Linear qkv_, output_;
  const AttentionTensors& t_;
};

}  // namespace pretrain
