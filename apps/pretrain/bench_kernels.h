// SPDX-License-Identifier: Apache-2.0
#pragma once
// The kernels of a training step at the sizes of a model. Each has its own operands, so that `pretrain bench`
// can check and time them one by one.

#include <functional>
#include <string>
#include <vector>

#include "libs/data/batch.h"
#include "libs/model/config.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/precision.h"

namespace pretrain {

/// A kernel that is ready to run.
struct BenchKernel {
  double operations = 0;      ///< floating-point operations of a run; 0 for kernels limited by memory
  double bytes = 0;           ///< minimum bytes that a run reads and writes
  std::function<void()> run;  ///< on all threads
  /// Runs once, compares with sums in double precision and returns the largest deviation as a share of the
  /// rounding bound. A result is wrong when this is more than 1 or not a number.
  std::function<double()> check;
};

/// Makes one kernel; the operands live as long as it does.
struct BenchCase {
  std::string name;
  bool product = false;  ///< a matrix product, else another kernel
  std::function<BenchKernel()> make;
};

/// All kernels of a step of `config` over M positions. `compute` must outlive them.
std::vector<BenchCase> bench_cases(Compute& compute, const ModelConfig& config, int64_t M,
                                   Precision precision);

/// A batch of `rows` sequences of seeded random tokens.
Batch random_batch(const ModelConfig& config, int64_t rows);

}  // namespace pretrain
