// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/rows.h"

#include <algorithm>

#include "libs/base/check.h"

namespace pretrain {
namespace {

/// Calls `visit` with each row of the half-split form and its place in the interleaved one.
template <typename Visit>
void for_each_row(const HeadRows& shape, const Visit& visit) {
  const size_t half = shape.channels / 2;
  for (size_t head = 0; head < shape.heads; ++head) {
    const size_t first = head * shape.channels;
    for (size_t j = 0; j < half; ++j) {
      visit(first + j, first + 2 * j);
      visit(first + half + j, first + 2 * j + 1);
    }
  }
}

void check_shape(const HeadRows& shape, size_t from, size_t to) {
  PRETRAIN_CHECK(
      shape.channels % 2 == 0 && from == shape.heads * shape.channels * shape.columns && to == from,
      "{} heads of {} in {} columns, {} and {} elements", shape.heads, shape.channels, shape.columns, from,
      to);
}

void copy_row(size_t columns, std::span<const float> from, size_t source, std::span<float> to,
              size_t target) {
  std::ranges::copy(from.subspan(source * columns, columns), to.subspan(target * columns, columns).begin());
}

}  // namespace

void transpose(size_t rows, size_t columns, std::span<const float> from, std::span<float> to) {
  PRETRAIN_CHECK(from.size() == rows * columns && to.size() == from.size(), "{} x {}, {} and {} elements",
                 rows, columns, from.size(), to.size());
  for (size_t column = 0; column < columns; ++column) {
    for (size_t row = 0; row < rows; ++row) to[column * rows + row] = from[row * columns + column];
  }
}

void interleave_halves(const HeadRows& shape, std::span<const float> from, std::span<float> to) {
  check_shape(shape, from.size(), to.size());
  for_each_row(shape, [&](size_t parted, size_t interleaved) {
    copy_row(shape.columns, from, parted, to, interleaved);
  });
}

void part_halves(const HeadRows& shape, std::span<const float> from, std::span<float> to) {
  check_shape(shape, from.size(), to.size());
  for_each_row(shape, [&](size_t parted, size_t interleaved) {
    copy_row(shape.columns, from, interleaved, to, parted);
  });
}

}  // namespace pretrain
