#pragma once
// The whole model in double precision, forward only, from the slow operations: what gradients are checked
// against by central differences.

#include <cstdint>
#include <span>
#include <vector>

#include "libs/model/parameters.h"

namespace pretrain::test {

/// Logits [B*T, V]. Shapes: parameters as laid out; inputs [B, T].
std::vector<double> reference_logits(const ModelConfig& config, const ParameterLayout& layout,
                                     const std::vector<double>& parameters, std::span<const uint32_t> inputs);

/// Sum of the losses of the targets that count.
double reference_loss(const ModelConfig& config, const ParameterLayout& layout,
                      const std::vector<double>& parameters, std::span<const uint32_t> inputs,
                      std::span<const int32_t> targets);

}  // namespace pretrain::test
