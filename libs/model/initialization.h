// SPDX-License-Identifier: Apache-2.0
#pragma once
// The start of a training run: seeded parameters as GPT-2 has them.

#include <cstdint>

#include "libs/model/parameters.h"
#include "libs/tensor/compute.h"

namespace pretrain {

/// Fills the flat array: each tensor constant or normal as its ParameterInfo says, padding zero.
/// Repeatability: a value depends on (seed, tensor name, position) only.
/// Shapes: parameters [layout.flat_size()].
void initialize_parameters(Compute& compute, const ParameterLayout& layout, uint64_t seed, float* parameters);

}  // namespace pretrain
