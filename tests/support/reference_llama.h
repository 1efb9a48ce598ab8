// SPDX-License-Identifier: Apache-2.0
#pragma once
// Llama and Qwen3 in double precision, forward, from the slow operations: what the fast models are checked against.
// Tensors are found by the names that Hugging Face gives them.

#include <cstdint>
#include <span>
#include <vector>

#include "libs/model/parameters.h"

namespace pretrain::test {

/// Logits [B*T, V].
/// Shapes: parameters as laid out; inputs [B, T].
std::vector<double> reference_llama_logits(const ModelConfig& config, const ParameterLayout& layout,
                                           const std::vector<double>& parameters,
                                           std::span<const uint32_t> inputs);

/// Sum of the losses of the targets that count.
double reference_llama_loss(const ModelConfig& config, const ParameterLayout& layout,
                            const std::vector<double>& parameters, std::span<const uint32_t> inputs,
                            std::span<const int32_t> targets);

}  // namespace pretrain::test
