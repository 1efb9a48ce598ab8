// SPDX-License-Identifier: Apache-2.0
#pragma once
// The kernels of the blocks of a layer, as the description of the architecture names its blocks.

#include <cstdint>
#include <string_view>
#include <vector>

#include "apps/pretrain/bench_case.h"
#include "libs/model/config.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/precision.h"

namespace pretrain {

/// A linear layer.
struct LinearShape {
  std::string_view name;
  int64_t in, out;
};

/// The linear layers of a layer; those that are one product as one.
std::vector<LinearShape> block_linears(const ModelConfig& config);

/// The kernels of a layer's blocks that are no products, over M positions: attention, norm, activation.
std::vector<BenchCase> block_cases(Compute& compute, const ModelConfig& config, int64_t M,
                                   Precision precision);

}  // namespace pretrain
