#pragma once
// The memory of a pass, planned from its shape and allocated as one block: what the forward pass keeps for
// the backward pass, and gradients on their way down. What a layer keeps as an operand of products is in
// their precision, all else in float32 (the final normed output, too: its place is that of a gradient).
// Tensors that are never needed at the same time share their place. Letters: B rows, T context, M = B*T, C
// d_model, F d_ff, V vocabulary, H heads, L layers.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "libs/model/config.h"
#include "libs/tensor/buffer.h"
#include "libs/tensor/operand.h"
#include "libs/tensor/precision.h"

namespace pretrain {

/// What the backward pass computes again instead of keeping it. The gradients are the same, bit for bit.
enum class Recompute {
  kNone,    ///< nothing
  kCheap,   ///< outputs of norms and of the activation
  kLayers,  ///< all but the input of each layer: costs a second forward pass
};

/// What the memory of a pass follows from.
struct PassShape {
  const ModelConfig& config;
  int64_t rows;  ///< B
  bool training = true;
  Recompute recompute = Recompute::kCheap;
  Precision precision = Precision::kFloat32;  ///< of the operands of products

  int64_t positions() const { return rows * config.context; }  ///< M
};

/// Rows of logits that exist at once for a micro-batch of M positions.
int64_t head_chunk_rows(int64_t M, int64_t V);

/// Words of the widest gradient of a layer's output, packed for the product with the layer's input.
size_t packed_gradient_words(const PassShape& shape);

/// What a layer's forward pass computes. Layers share what is not kept.
struct LayerActivations {
  float *mean1, *rstd1;   // [M]
  Operand normed1;        // [M, C]
  Operand qkv_out;        // [M, 3C]
  Operand attention_out;  // [M, C]
  float* log_sum_exp;     // [B, H, T]
  float* middle;          // [M, C], the residual stream between attention and MLP
  float *mean2, *rstd2;   // [M]
  Operand normed2;        // [M, C]
  Operand up_out;         // [M, F], before the activation
  Operand activated;      // [M, F]
};

/// The tensors of a pass, in memory that somebody else owns.
struct PassTensors {
  std::vector<LayerActivations> layers;  // L
  std::vector<float*> residual;          // L + 1 times [M, C]: inputs of layers, last output
  float *final_normed, *final_mean, *final_rstd, *losses;  // [M, C], [M], [M], [M]
  float* logits;                                           // [head_chunk_rows, V], then their gradient
  float* dx = nullptr;                                     // [M, C], the gradient of the residual stream
  float* dnarrow = nullptr;                                // [M, C]
  float* dwide = nullptr;                                  // [M, F], gradient of up_out or its sums
  float* dqkv = nullptr;                                   // [M, 3C], gradient of qkv_out or its sums
};

/// The block. Single-owner.
class PassMemory {
 public:
  explicit PassMemory(const PassShape& shape);

  const PassTensors& tensors() const { return tensors_; }
  /// Elements of the block for a shape; nothing is allocated.
  static size_t size_floats(const PassShape& shape);

 private:
  Buffer<float> block_;
  PassTensors tensors_;
};

}  // namespace pretrain
