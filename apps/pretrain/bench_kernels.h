#pragma once
// The kernels of a training step at the sizes of a model, each with its own operands, so that `pretrain
// bench` can check and time them one by one.

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
  double operations = 0;      ///< floating-point operations of a run; 0 where memory is what counts
  double bytes = 0;           ///< that a run has to read and write at least
  std::function<void()> run;  ///< on all threads
  /// Runs once and compares with sums in double precision: the largest deviation as a share of what rounding
  /// allows. More than 1, or not a number, is wrong.
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
