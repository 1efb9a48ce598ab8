// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the sizes and the memory of a pass follow from.

#include <cstddef>
#include <cstdint>

#include "libs/model/config.h"
#include "libs/tensor/precision.h"

namespace pretrain {

/// What the backward pass computes again instead of keeping it. The gradients are the same, bit for bit.
enum class Recompute {
  kNone,    ///< nothing
  kCheap,   ///< outputs of norms and of the activation
  kLayers,  ///< all but the input of each layer: costs a second forward pass
};

struct PassShape {
  const ModelConfig& config;
  int64_t rows;  ///< B
  bool training = true;
  Recompute recompute = Recompute::kCheap;
  Precision precision = Precision::kFloat32;  ///< of the operands of products

  int64_t positions() const { return rows * config.context; }  ///< M

  /// Layers take turns in one place: nothing is kept for a backward pass, or it is computed again.
  bool layers_share() const { return !training || recompute == Recompute::kLayers; }
  /// A layer keeps outputs of norms and of the activation; else they live only while it is at work.
  bool keeps_cheap() const { return training && recompute != Recompute::kCheap; }
  /// A product's sums need a place besides that of the rounded result, as does a gradient.
  bool needs_sums() const { return training || precision == Precision::kBf16; }
};

}  // namespace pretrain
