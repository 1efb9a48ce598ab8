// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/reference/orthogonal.h"

#include <cmath>

#include "libs/tensor/orthogonalize.h"

namespace pretrain::reference {
namespace {

Matrix transposed(const Matrix& x, int64_t rows, int64_t columns) {
  Matrix y(x.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c)
      y[static_cast<size_t>(c * rows + r)] = x[static_cast<size_t>(r * columns + c)];
  }
  return y;
}

/// X X^T
Matrix gram(const Matrix& x, int64_t m, int64_t n) {
  return linear(x, transposed(x, m, n), {}, m, m, n);
}

double root_of_squares(const Matrix& x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return std::sqrt(sum);
}

/// a X + (b A + c A^2) X with A = X X^T.
Matrix step(const OddPolynomial& p, const Matrix& x, int64_t m, int64_t n) {
  const Matrix a = gram(x, m, n);
  Matrix factor = linear(a, a, {}, m, m, m);
  for (size_t i = 0; i < factor.size(); ++i) factor[i] = p.b * a[i] + p.c * factor[i];
  Matrix y = linear(factor, x, {}, m, n, m);
  for (size_t i = 0; i < y.size(); ++i) y[i] += p.a * x[i];
  return y;
}

}  // namespace

Matrix orthogonal(const Matrix& x, int64_t rows, int64_t columns) {
  if (rows > columns)
    return transposed(orthogonal(transposed(x, rows, columns), columns, rows), columns, rows);
  const Matrix a = gram(x, rows, columns);
  const double bound = std::pow(root_of_squares(linear(a, a, {}, rows, rows, rows)), 0.25);
  if (bound == 0) return x;
  Matrix y = x;
  for (double& value : y) value /= bound;
  for (const OddPolynomial& p : orthogonal_steps()) y = step(p, y, rows, columns);
  return y;
}

}  // namespace pretrain::reference
