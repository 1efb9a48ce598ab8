// SPDX-License-Identifier: Apache-2.0
#pragma once
// The start of a training run: seeded parameters as GPT-2 has them.

#include <cstdint>

#include "libs/model/parameters.h"
#include "libs/tensor/compute.h"

namespace pretrain {

/// What the matrices start as whose products are added to the residual stream.
enum class OutputStart {
  kSmall,  ///< normal, the smaller the more layers there are, as GPT-2
  kZero,   ///< so that each layer starts as none; its other matrices learn from the second step on
};

/// Fills the flat array: each tensor constant or normal as its ParameterInfo says, padding zero.
/// Repeatability: a value depends on (seed, tensor name, position) only.
/// Shapes: parameters [layout.flat_size()].
void initialize_parameters(Compute& compute, const ParameterLayout& layout, uint64_t seed, float* parameters,
                           OutputStart outputs = OutputStart::kSmall);

}  // namespace pretrain
