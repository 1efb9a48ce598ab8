// SPDX-License-Identifier: Apache-2.0
#pragma once
// The whole model in double precision, forward and backward, from the slow operations: what the fast model is
// checked against. Its gradients are themselves checked against central differences of its loss.

#include <cstdint>
#include <span>
#include <vector>

#include "libs/model/parameters.h"

namespace pretrain::test {

/// Logits [B*T, V].
/// Shapes: parameters as laid out; inputs [B, T].
std::vector<double> reference_logits(const ModelConfig& config, const ParameterLayout& layout,
                                     const std::vector<double>& parameters, std::span<const uint32_t> inputs);

/// Sum of the losses of the targets that count.
double reference_loss(const ModelConfig& config, const ParameterLayout& layout,
                      const std::vector<double>& parameters, std::span<const uint32_t> inputs,
                      std::span<const int32_t> targets);

/// Gradients of reference_loss(), in the layout of the parameters, zero between tensors.
std::vector<double> reference_gradients(const ModelConfig& config, const ParameterLayout& layout,
                                        const std::vector<double>& parameters,
                                        std::span<const uint32_t> inputs, std::span<const int32_t> targets);

}  // namespace pretrain::test
