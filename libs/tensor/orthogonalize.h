// SPDX-License-Identifier: Apache-2.0
#pragma once
// The orthogonal matrix near a given one: the same singular vectors, with singular values of about 1. It is
// what Muon makes of a gradient.
//
// An odd polynomial of a matrix X = U S V^T is the polynomial of its singular values: p(X) = U p(S) V^T. A few
// polynomials after each other bring all values that are not too small near 1. The iteration runs on the Gram
// matrix A = X X^T of the shorter side, which is small and symmetric: with Z = a I + b A + c A^2,
//
//   X <- Z X  (which is a X + b X X^T X + ...),   A <- Z A Z,   Q <- Z Q,
//
// so that only A at the start and Q X at the end cost products as long as X. Everything is float32: in bf16
// the small eigenvalues of A would drown in rounding errors. The result never depends on the precision of a
// run.
// Source: Bernstein and Newhouse, "Old Optimizer, New Norm", appendix A (odd polynomials); Amsel et al., "The
// Polar Express", section 3 (the best polynomial for each step).

#include <cstddef>
#include <cstdint>
#include <span>

#include "libs/tensor/compute.h"

namespace pretrain {

/// a x + b x^3 + c x^5
struct OddPolynomial {
  double a, b, c;

  double operator()(double x) const { return x * (a + x * x * (b + x * x * c)); }
};

/// The smallest singular value, as a share of the largest, that is brought near 1. Smaller ones grow, too, but
/// not so far.
constexpr double kOrthogonalFrom = 5e-3;

/// The polynomials, in order: each is the best one for where the earlier ones have brought
/// [kOrthogonalFrom, 1].
std::span<const OddPolynomial> orthogonal_steps();

/// Of a dense matrix.
struct MatrixSize {
  int64_t rows, columns;
};

/// Who works on one matrix.
enum class Workers {
  kAll,            ///< all threads
  kCallingThread,  ///< the thread that calls, which is inside parallel_for
};

/// Floats that orthogonalize() needs to work with.
size_t orthogonalize_scratch(const MatrixSize& size);

/// out = U p(S) V^T for x = U S V^T. Finite for any x: a matrix whose sum of squares is not between 1e-30 and
/// 1e37 becomes zero.
/// Shapes: x, out [rows, columns]; scratch [orthogonalize_scratch(size)].
/// Aliasing: none of the arrays overlap.
/// Repeatability: the same bits for any number of threads, and for either kind of workers.
void orthogonalize(Compute& compute, Workers workers, const MatrixSize& size, const float* x, float* out,
                   float* scratch);

}  // namespace pretrain
