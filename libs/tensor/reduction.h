// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sums in a fixed order: the same bits for any number of threads.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "libs/tensor/compute.h"

namespace pretrain {

/// Sum of squares: chunks of fixed size in float32 lanes, the chunks in order in double precision.
/// Not finite when any element is not (or when its square overflows).
class SumOfSquares {
 public:
  explicit SumOfSquares(size_t count);
  double operator()(Compute& compute, const float* x);

 private:
  size_t count_;
  std::vector<double> partial_;
};

/// sums[i] += x[i], each rounded once.
void add(Compute& compute, const float* x, size_t count, float* sums);

/// Whether all elements are finite.
bool all_finite(Compute& compute, const float* x, size_t count);

}  // namespace pretrain
