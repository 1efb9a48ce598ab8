// SPDX-License-Identifier: Apache-2.0
#pragma once
// Orders of the elements of a matrix that files differ in. Stateless, thread-safe.

#include <cstddef>
#include <span>

namespace pretrain {

/// Copies a matrix so that its rows become columns.
/// Shapes: from [rows, columns], to [columns, rows].
/// Aliasing: `to` is not `from`.
void transpose(size_t rows, size_t columns, std::span<const float> from, std::span<float> to);

/// A matrix whose rows are channels of heads that rotary positions turn.
struct HeadRows {
  size_t heads;
  size_t channels;  ///< D of each, an even number
  size_t columns;
};

/// Moves the rows j and j + D/2 of each head, which are turned together (the half-split form, of Hugging Face),
/// to 2j and 2j + 1 (the interleaved form).
/// Shapes: from, to [heads D, columns].
/// Aliasing: `to` is not `from`.
void interleave_halves(const HeadRows& shape, std::span<const float> from, std::span<float> to);
/// The inverse.
void part_halves(const HeadRows& shape, std::span<const float> from, std::span<float> to);

}  // namespace pretrain
