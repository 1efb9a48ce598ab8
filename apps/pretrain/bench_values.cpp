// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/bench_values.h"

#include <cmath>
#include <limits>

#include "libs/base/rng.h"

namespace pretrain::bench {

using reference::Matrix;

Floats empty(int64_t rows, int64_t columns) {
  return std::make_shared<Buffer<float>>(area(rows, columns));
}

Floats random(int64_t rows, int64_t columns, uint64_t seed) {
  Floats values = empty(rows, columns);
  Rng rng(seed);
  for (float& value : values->span()) value = static_cast<float>(2 * rng.uniform() - 1);
  return values;
}

Matrix as_double(std::span<const float> values) {
  return {values.begin(), values.end()};
}

Kept::Kept(Precision precision, int64_t rows, int64_t columns)
    : count_(rows * columns), words_(empty(words_of(precision, count_))), precision_(precision) {}

Kept::Kept(Precision precision, int64_t rows, int64_t columns, uint64_t seed)
    : Kept(precision, rows, columns) {
  store_values(1, count_, random(rows, columns, seed)->data(), 0, place(), 0);
}

Operand Kept::place() const {
  float* words = words_->data();
  return precision_ == Precision::kBf16 ? Operand(reinterpret_cast<Bf16*>(words)) : Operand(words);
}

std::vector<float> Kept::copy() const {
  std::vector<float> values(area(count_));
  load_values(count_, place(), values.data());
  return values;
}

double rounding(int64_t terms) {
  return 8 * static_cast<double>(std::numeric_limits<float>::epsilon()) *
         std::sqrt(static_cast<double>(terms) + 16);
}

double rounding(int64_t terms, Precision precision) {
  constexpr double kBf16Epsilon = 1.0 / 128;
  constexpr double kShare = kBf16Epsilon / static_cast<double>(std::numeric_limits<float>::epsilon()) / 8;
  return rounding(terms) * (precision == Precision::kBf16 ? kShare : 1);
}

double rounding_of_result(Precision precision) {
  return precision == Precision::kBf16 ? 1.0 / 256 : 0;
}

double deviation(std::span<const float> actual, const Matrix& expected, double allowed) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::quiet_NaN();
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double off = std::abs(static_cast<double>(actual[i]) - expected[i]) / (1 + std::abs(expected[i]));
    if (!(off <= worst)) worst = off;
    if (std::isnan(worst)) break;
  }
  return worst / allowed;
}

}  // namespace pretrain::bench
