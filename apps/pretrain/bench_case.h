// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `pretrain bench` checks and times: one kernel with its operands.

#include <functional>
#include <string>

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

}  // namespace pretrain
