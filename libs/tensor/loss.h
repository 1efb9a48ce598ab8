// SPDX-License-Identifier: Apache-2.0
#pragma once
// Softmax cross-entropy over logits, fused with its gradient, in place, for a chunk of rows.

#include <cstdint>

#include "libs/tensor/compute.h"
#include "libs/tensor/operand.h"

namespace pretrain {

/// The target of a position that does not count.
constexpr int32_t kMaskedTarget = -1;

/// [rows, V], rows ld elements apart.
struct LogitsGradient {
  Operand elements;
  int64_t ld;
};

/// Where the gradient of logits stands: in their place; in bf16 it takes the first half of each row, and what
/// is in the second half is undefined.
LogitsGradient gradient_of_logits(float* logits, int64_t V, Precision precision);

struct LogitRows {
  float* logits = nullptr;           ///< [rows, V]
  const int32_t* targets = nullptr;  ///< [rows]
  int64_t rows = 0;
  int64_t V = 0;
};

/// losses[m] = log(sum_v exp(logits[m, v])) - logits[m, target[m]], 0 for masked rows (natural logarithm).
/// With gradient_scale != 0 the logits become their gradient, rounded to the precision:
///   dlogits[m, v] = gradient_scale * (softmax(logits[m])[v] - (v == target[m])), 0 for masked rows.
/// Shapes: losses [rows]; dlogits as of gradient_of_logits().
void softmax_cross_entropy(Compute& compute, const LogitRows& rows, float gradient_scale, float* losses,
                           Precision precision = Precision::kFloat32);

}  // namespace pretrain
