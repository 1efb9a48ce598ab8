// SPDX-License-Identifier: Apache-2.0
#pragma once
// Operands of the kernels that `pretrain bench` times, and the comparison of their results with sums in double
// precision.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "libs/tensor/buffer.h"
#include "libs/tensor/operand.h"
#include "libs/tensor/precision.h"
#include "libs/tensor/reference/ops.h"

namespace pretrain::bench {

using Floats = std::shared_ptr<Buffer<float>>;

inline size_t area(int64_t rows, int64_t columns = 1) {
  return static_cast<size_t>(rows * columns);
}
/// Bytes of so many floats.
inline double floats(double count) {
  return count * sizeof(float);
}

Floats empty(int64_t rows, int64_t columns = 1);
/// Numbers from -1 to 1.
Floats random(int64_t rows, int64_t columns, uint64_t seed);

reference::Matrix as_double(std::span<const float> values);

/// A tensor stored for later products, in their precision.
class Kept {
 public:
  Kept(Precision precision, int64_t rows, int64_t columns);
  /// Numbers from -1 to 1.
  Kept(Precision precision, int64_t rows, int64_t columns, uint64_t seed);

  Operand place() const;
  std::vector<float> copy() const;
  double bytes() const { return floats(static_cast<double>(words_->size())); }

 private:
  int64_t count_;
  Floats words_;
  Precision precision_;
};

/// Error bound of a sum of `terms` products of numbers around 1.
double rounding(int64_t terms);
/// As rounding(), for kernels that also round operands to the precision.
double rounding(int64_t terms, Precision precision);
/// Error added by rounding the result to the precision.
double rounding_of_result(Precision precision);

/// Largest deviation as a share of the allowed one; NaN when a value is NaN.
double deviation(std::span<const float> actual, const reference::Matrix& expected, double allowed);

}  // namespace pretrain::bench
