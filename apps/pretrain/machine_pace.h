// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long one machine takes for its part of a step that several share, from the rate at which it computes. A pure
// function.

#include "libs/model/config.h"
#include "libs/world/step_time.h"

namespace pretrain {

/// Efficiency from which on an exchange is cheap enough for its machines.
constexpr double kGoodEfficiency = 0.9;

/// From the rate of operations of a training step: a third of them is the forward pass.
/// Requires: flops_per_second > 0, threads >= 1.
MachinePace pace_at(double flops_per_second, const ModelConfig& model, int threads);

}  // namespace pretrain
