// SPDX-License-Identifier: Apache-2.0
#pragma once
// The memory of a pass, planned from its shape and allocated as one block: what the forward pass keeps for
// the backward pass, and gradients on their way down. What a layer keeps as an operand of products is in
// their precision, all else in float32. Tensors that are never needed at the same time share their place.
// Each part of the model says which tensors it has (the kinds in blocks.h, output_head.h); here it
// is decided which of them share a place. Letters: B rows, T context, M = B*T, C d_model, L layers.

#include <cstddef>
#include <vector>

#include "libs/model/blocks.h"
#include "libs/model/output_head.h"
#include "libs/tensor/buffer.h"

namespace pretrain {

/// The blocks of a layer, in the order of the forward pass.
struct LayerTensors {
  std::vector<BlockTensors> blocks;
  std::vector<float*> between;  // one fewer, [M, C]: the residual stream between two blocks
};

/// The tensors of a pass, in memory owned by the caller.
struct PassTensors {
  std::vector<LayerTensors> layers;  // L
  std::vector<float*> residual;      // L + 1 times [M, C]: inputs of layers, last output
  HeadTensors head{};
  float* dx = nullptr;       // [M, C], the gradient of the residual stream
  float* dnarrow = nullptr;  // [M, C], a gradient between the parts of a block
};

/// Words of the widest input or gradient of an output of a linear layer, packed for the product that makes
/// the gradient of its weight.
size_t packed_gradient_words(const PassShape& shape);

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
