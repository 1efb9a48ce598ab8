#pragma once
// Softmax cross-entropy over logits, fused with its gradient, in place, for a chunk of rows.

#include <cstdint>

#include "libs/tensor/compute.h"

namespace pretrain {

/// The target of a position that does not count.
constexpr int32_t kMaskedTarget = -1;

/// losses[m] = log(sum_v exp(logits[m, v])) - logits[m, target[m]], 0 for masked rows (natural logarithm).
/// With gradient_scale != 0 the logits become their gradient:
///   dlogits[m, v] = gradient_scale * (softmax(logits[m])[v] - (v == target[m])), 0 for masked rows.
/// Shapes: logits [rows, V] with row distance V; targets, losses [rows].
void softmax_cross_entropy(Compute& compute, float* logits, const int32_t* targets, int64_t rows, int64_t V,
                           float gradient_scale, float* losses);

}  // namespace pretrain
