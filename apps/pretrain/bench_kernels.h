// SPDX-License-Identifier: Apache-2.0
#pragma once
// The kernels of a training step at the sizes of a model. Each has its own operands, so that `pretrain bench`
// can check and time them one by one.

#include <vector>

#include "apps/pretrain/bench_case.h"
#include "libs/data/batch.h"
#include "libs/model/config.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/precision.h"

namespace pretrain {

/// All kernels of a step of `config` over M positions. `compute` must outlive them.
std::vector<BenchCase> bench_cases(Compute& compute, const ModelConfig& config, int64_t M,
                                   Precision precision);

/// A batch of `rows` sequences of seeded random tokens.
Batch random_batch(const ModelConfig& config, int64_t rows);

}  // namespace pretrain
