#include "libs/tensor/transpose.h"

#include <algorithm>

namespace pretrain {
namespace {

constexpr int64_t kTile = 16;  // 16 floats are one cache line: a tile reads and writes whole lines

void transpose_tile(const float* in, int64_t ld_in, float* out, int64_t ld_out) {
  for (int64_t c = 0; c < kTile; ++c) {
    for (int64_t r = 0; r < kTile; ++r) out[c * ld_out + r] = in[r * ld_in + c];
  }
}

void transpose_edge(const float* in, int64_t ld_in, int64_t rows, int64_t columns, float* out, int64_t ld_out) {
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = 0; r < rows; ++r) out[c * ld_out + r] = in[r * ld_in + c];
  }
}

}  // namespace

void transpose_block(const float* in, int64_t ld_in, int64_t rows, int64_t columns, float* out, int64_t ld_out) {
  for (int64_t c = 0; c < columns; c += kTile) {
    for (int64_t r = 0; r < rows; r += kTile) {
      const int64_t height = std::min(kTile, rows - r);
      const int64_t width = std::min(kTile, columns - c);
      if (height == kTile && width == kTile) {
        transpose_tile(in + r * ld_in + c, ld_in, out + c * ld_out + r, ld_out);
      } else {
        transpose_edge(in + r * ld_in + c, ld_in, height, width, out + c * ld_out + r, ld_out);
      }
    }
  }
}

void transpose(Compute& compute, const float* in, int64_t ld_in, int64_t rows, int64_t columns, float* out,
               int64_t ld_out) {
  constexpr size_t kColumnsPerTask = 64;
  compute.parallel_ranges(static_cast<size_t>(columns), kColumnsPerTask, [&](size_t begin, size_t end) {
    const auto c = static_cast<int64_t>(begin);
    transpose_block(in + c, ld_in, rows, static_cast<int64_t>(end - begin), out + c * ld_out, ld_out);
  });
}

}  // namespace pretrain
