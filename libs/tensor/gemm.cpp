#include "libs/tensor/gemm.h"

#include <algorithm>
#include <cstring>

#include "libs/base/check.h"
#include "libs/tensor/activation.h"
#include "libs/tensor/transpose.h"

namespace pretrain {
namespace {

/// Terms of a sum that are multiplied before the next panel: B's piece of 64 KB and the tile's rows of A
/// share the second-level cache. Each piece's sums are added to C, so that this number is part of the
/// result's bits.
constexpr int64_t kInnerPiece = 512;

/// Rows of a tile: many, since each tile reads all of B, and few, so that no thread waits long for another's
/// last one.
constexpr int64_t kTileRows = 256;
constexpr int64_t kPackedTileRows = 64;
static_assert(packed_floats(kPackedTileRows, kInnerPiece) <= Compute::kScratchFloats);

int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/// Rows of at most kPanelColumns columns -> rows kPanelColumns apart.
void copy_panel(const float* from, int64_t ld, int64_t rows, int64_t columns, float* to) {
  if (columns == kPanelColumns) {  // a size that the compiler knows becomes a few vector moves
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(to + r * kPanelColumns, from + r * ld, kPanelColumns * sizeof(float));
    }
    return;
  }
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(to + r * kPanelColumns, from + r * ld, static_cast<size_t>(columns) * sizeof(float));
  }
}

/// A part of C.
struct Part {
  int64_t row, rows;
  int64_t column, columns;
};

/// C and what happens to it.
struct Destination {
  float* c;
  int64_t N;
  const Epilogue& epilogue;

  float* at(const Part& part) const { return c + offset(part); }
  int64_t offset(const Part& part) const { return part.row * N + part.column; }

  /// What the terms [k, ...) of the sums are added to.
  Addends addends(const Part& part, int64_t k) const {
    if (k > 0) return {.matrix = at(part), .ld = N};
    return {.matrix = epilogue.added == nullptr ? nullptr : epilogue.added + offset(part),
            .ld = N,
            .bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + part.column};
  }

  /// To be called once all terms of a part have been summed.
  void finish(const Part& part) const {
    const int64_t o = offset(part);
    if (epilogue.gelu_input != nullptr) {
      gelu_backward_block(part.rows, part.columns, N, epilogue.gelu_input + o, c + o, c + o,
                          epilogue.gelu == nullptr ? nullptr : epilogue.gelu + o);
    } else if (epilogue.gelu != nullptr) {
      gelu_forward_block(part.rows, part.columns, N, c + o, epilogue.gelu + o);
    }
  }
};

/// One thread's tile of C.
void run_tile(const Part& tile, const MatrixView& a, const PackedMatrix& b, const Destination& destination,
              float* packed_rows) {
  const bool packs = a.column_stride != 1;
  for (int64_t k = 0; k < b.K(); k += kInnerPiece) {
    const int64_t terms = std::min(kInnerPiece, b.K() - k);
    const MatrixView rows = a.at(tile.row, k);
    if (packs) pack_transposed_rows(tile.rows, terms, rows.data, rows.column_stride, packed_rows);
    for (int64_t n = 0; n < tile.columns; n += kPanelColumns) {
      const Part part{tile.row, tile.rows, tile.column + n, std::min(kPanelColumns, tile.columns - n)};
      const int64_t after = part.column + kPanelColumns;
      const float* panel = b.panel(part.column) + k * kPanelColumns;
      const float* next_panel = b.panel(after < b.N() ? after : 0) + k * kPanelColumns;
      float* c = destination.at(part);
      const Addends addends = destination.addends(part, k);
      if (packs) {
        multiply_packed(part.rows, part.columns, terms, packed_rows, panel, kPanelColumns, c, destination.N,
                        addends, next_panel);
      } else {
        multiply(part.rows, part.columns, terms, rows, panel, kPanelColumns, c, destination.N, addends,
                 next_panel);
      }
      if (k + terms == b.K()) destination.finish(part);
    }
  }
}

/// Columns of a tile: all, if that makes enough tiles to share among threads, but no fewer than `narrowest`.
int64_t tile_columns(int64_t down, int64_t N, int64_t narrowest) {
  constexpr int64_t kTiles = 16;
  constexpr int64_t kWidest = 2048;
  const int64_t across = (kTiles + down - 1) / down;
  return std::clamp(round_up((N + across - 1) / across, kPanelColumns), narrowest, kWidest);
}

}  // namespace

PackedMatrix::PackedMatrix(int64_t K, int64_t N) : K_(K), N_(N), data_(size_floats(K, N)) {}

void PackedMatrix::reshape(int64_t K, int64_t N) {
  PRETRAIN_CHECK(size_floats(K, N) <= data_.size(), "[{}, {}] in room for {} floats", K, N, data_.size());
  K_ = K;
  N_ = N;
}

size_t PackedMatrix::size_floats(int64_t K, int64_t N) {
  return static_cast<size_t>(K * round_up(N, kPanelColumns));
}

void PackedMatrix::pack(Compute& compute, const float* b, int64_t ld) {
  compute.parallel_ranges(static_cast<size_t>(N_), kPanelColumns, [&](size_t begin, size_t end) {
    const auto column = static_cast<int64_t>(begin);
    copy_panel(b + column, ld, K_, static_cast<int64_t>(end - begin), data_.data() + column * K_);
  });
}

void PackedMatrix::pack_transposed(Compute& compute, const float* b, int64_t ld) {
  compute.parallel_ranges(static_cast<size_t>(N_), kPanelColumns, [&](size_t begin, size_t end) {
    const auto column = static_cast<int64_t>(begin);
    transpose_block(b + column * ld, ld, static_cast<int64_t>(end - begin), K_, data_.data() + column * K_,
                    kPanelColumns);
  });
}

void product(Compute& compute, int64_t M, const MatrixView& a, const PackedMatrix& b, float* c,
             const Epilogue& epilogue) {
  const Destination destination{c, b.N(), epilogue};
  const bool packs =
      a.column_stride != 1;  // a tile's rows of A once for all its columns: the wider the better
  const int64_t height = packs ? kPackedTileRows : kTileRows;
  const int64_t down = (M + height - 1) / height;
  const int64_t width = tile_columns(down, b.N(), packs ? 1024 : 256);
  const int64_t across = (b.N() + width - 1) / width;
  compute.parallel_for(static_cast<size_t>(across * down), [&](size_t index) {
    const int64_t row = static_cast<int64_t>(index) / across * height;
    const int64_t column = static_cast<int64_t>(index) % across * width;
    const Part tile{row, std::min(height, M - row), column, std::min(width, b.N() - column)};
    run_tile(tile, a, b, destination, compute.scratch());
  });
}

}  // namespace pretrain
