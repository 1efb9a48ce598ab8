#include "libs/tensor/transpose.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/transpose.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kTile = 16;  // 16 floats are one cache line: a tile reads and writes whole lines

void TransposeEdge(const float* in, int64_t ld_in, int64_t rows, int64_t columns, float* out,
                   int64_t ld_out) {
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = 0; r < rows; ++r) out[c * ld_out + r] = in[r * ld_in + c];
  }
}

/// Four rows of four columns at a time, by two rounds of interleaving.
void TransposeTile(const float* in, int64_t ld_in, float* out, int64_t ld_out) {
#if HWY_TARGET == HWY_SCALAR
  TransposeEdge(in, ld_in, kTile, kTile, out, ld_out);
#else
  const hn::FixedTag<float, 4> d;
  // Rows inside: four lines of the output are finished before the next four. Their distance is often a power
  // of two, so that more of them would push each other out of the cache.
  for (int64_t c = 0; c < kTile; c += 4) {
    for (int64_t r = 0; r < kTile; r += 4) {
      const float* from = in + r * ld_in + c;
      const auto row0 = hn::LoadU(d, from);
      const auto row1 = hn::LoadU(d, from + ld_in);
      const auto row2 = hn::LoadU(d, from + 2 * ld_in);
      const auto row3 = hn::LoadU(d, from + 3 * ld_in);
      const auto low02 = hn::InterleaveLower(d, row0, row2);
      const auto low13 = hn::InterleaveLower(d, row1, row3);
      const auto high02 = hn::InterleaveUpper(d, row0, row2);
      const auto high13 = hn::InterleaveUpper(d, row1, row3);
      float* to = out + c * ld_out + r;
      hn::StoreU(hn::InterleaveLower(d, low02, low13), d, to);
      hn::StoreU(hn::InterleaveUpper(d, low02, low13), d, to + ld_out);
      hn::StoreU(hn::InterleaveLower(d, high02, high13), d, to + 2 * ld_out);
      hn::StoreU(hn::InterleaveUpper(d, high02, high13), d, to + 3 * ld_out);
    }
  }
#endif
}

void TransposeBlock(const float* in, int64_t ld_in, int64_t rows, int64_t columns, float* out,
                    int64_t ld_out) {
  for (int64_t c = 0; c < columns; c += kTile) {
    for (int64_t r = 0; r < rows; r += kTile) {
      const int64_t height = std::min(kTile, rows - r);
      const int64_t width = std::min(kTile, columns - c);
      if (height == kTile && width == kTile) {
        TransposeTile(in + r * ld_in + c, ld_in, out + c * ld_out + r, ld_out);
      } else {
        TransposeEdge(in + r * ld_in + c, ld_in, height, width, out + c * ld_out + r, ld_out);
      }
    }
  }
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(TransposeBlock);

void transpose_block(const float* in, int64_t ld_in, int64_t rows, int64_t columns, float* out,
                     int64_t ld_out) {
  HWY_DYNAMIC_DISPATCH(TransposeBlock)(in, ld_in, rows, columns, out, ld_out);
}

}  // namespace pretrain
#endif  // HWY_ONCE
