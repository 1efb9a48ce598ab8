// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/gemm.h"

#include <algorithm>

#include "libs/base/check.h"
#include "libs/tensor/activation.h"
#include "libs/tensor/swiglu.h"

namespace pretrain {
namespace {

/// Columns of a tile that get bias, residual and activation together, while they are in the first-level
/// cache: 70 rows of 64 floats are 18 KiB.
constexpr int64_t kGroupColumns = 64;
static_assert(kGroupColumns % kWidestPanel == 0);

int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/// A block of C.
struct Part {
  int64_t row, rows;
  int64_t column, columns;
};

/// C and its epilogue.
struct Destination {
  float* c;
  int64_t N;
  const Epilogue& epilogue;

  float* at(const Part& part) const { return c + offset(part); }
  int64_t offset(const Part& part) const { return part.row * N + part.column; }

  /// The matrix and bias that the sums of terms [k, ...) are added to: those of the epilogue for the first
  /// terms, C itself for later ones.
  Addends addends(const Part& part, int64_t k) const {
    if (k > 0) return {.matrix = at(part), .ld = N};
    return {.matrix = epilogue.added == nullptr ? nullptr : epilogue.added + offset(part),
            .ld = N,
            .bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + part.column};
  }

  /// The operand that finish() will read for a part, to prefetch it.
  ConstOperand read_by_finish(const Part& part) const {
    return (epilogue.swiglu.gate ? epilogue.swiglu.gate : epilogue.gelu_input).at(offset(part));
  }

  /// Applies the epilogue. Call it once all terms of a part have been summed.
  void finish(const Part& part) const {
    const int64_t o = offset(part);
    if (epilogue.kept.precision() == Precision::kBf16)
      store_values(part.rows, part.columns, c + o, N, epilogue.kept.at(o), N);
    if (epilogue.gelu_input) {
      gelu_backward_block(part.rows, part.columns, N, epilogue.gelu_input.at(o), c + o, c + o,
                          epilogue.gelu.at(o));
    } else if (epilogue.gelu) {
      gelu_forward_block(part.rows, part.columns, N, epilogue.kept.at(o), epilogue.gelu.at(o));
    }
    if (epilogue.swiglu.gate) finish_swiglu(part);
  }

  void finish_swiglu(const Part& part) const {
    const int64_t o = offset(part);
    const SwigluEpilogue& s = epilogue.swiglu;
    if (s.up) {
      swiglu_backward_block(part.rows, part.columns, N, s.gate.at(o), s.up.at(o), c + o,
                            {.dgate = s.dgate + o, .dup = c + o}, s.gated.at(o));
    } else {
      swiglu_forward_block(part.rows, part.columns, N, s.gate.at(o), epilogue.kept.at(o), s.gated.at(o));
    }
  }
};

/// Computes one thread's tile of C. For each piece of the terms it packs the tile's rows of A into `rows`,
/// then multiplies them by panel after panel of B. During each panel the kernel prefetches the next one.
void run_tile(const KernelShape& shape, const Part& tile, const MatrixView& a, const PackedMatrix& b,
              const Destination& destination, float* rows) {
  for (int64_t k = 0; k < b.K(); k += shape.terms) {
    const int64_t terms = std::min(shape.terms, b.K() - k);
    const bool last = k + terms == b.K();
    pack_rows(b.precision(), tile.rows, terms, a.at(tile.row, k), rows);
    for (int64_t g = 0; g < tile.columns; g += kGroupColumns) {
      const Part group{tile.row, tile.rows, tile.column + g, std::min(kGroupColumns, tile.columns - g)};
      const int64_t end = group.column + group.columns;
      for (int64_t n = group.column; n < end; n += shape.panel_columns) {
        const Part part{tile.row, tile.rows, n, std::min(shape.panel_columns, end - n)};
        const int64_t after = n + shape.panel_columns;
        const bool more = after < tile.column + tile.columns;
        ReadNext next{.panel = more ? b.panel(after, k) : b.panel(tile.column, (k + terms) % b.K()),
                      .ld = destination.N,
                      .columns = part.columns};
        if (last) next.rows = destination.read_by_finish(part);
        multiply_packed(b.precision(), {part.rows, part.columns, terms}, rows,
                        {b.panel(n, k), shape.panel_columns}, {destination.at(part), destination.N},
                        destination.addends(part, k), next);
      }
      if (last) destination.finish(group);
    }
  }
}

/// Cuts [0, length) into pieces of whole units and nearly equal size, so that threads finish at the same
/// time.
struct Cut {
  Cut(int64_t whole, int64_t unit_size, int64_t wanted)
      : length(whole), unit(unit_size), units((whole + unit - 1) / unit), pieces(std::min(wanted, units)) {}
  int64_t begin(int64_t piece) const { return std::min(length, piece * units / pieces * unit); }
  int64_t size(int64_t piece) const { return begin(piece + 1) - begin(piece); }
  int64_t length, unit, units, pieces;
};

/// Cuts a product into tiles. Depends on the shape only, not on the threads, so that results don't either.
struct Tiling {
  Tiling(const KernelShape& shape, int64_t M, int64_t N)
      : rows(M, shape.tile_rows, pieces_of(M, shape.block_rows)),
        columns(N, kGroupColumns,
                pieces_of(N, rows.pieces == 1 ? width_of_few(M, N) : width(N, rows.pieces))) {}

  static int64_t pieces_of(int64_t length, int64_t longest) { return (length + longest - 1) / longest; }
  /// The width of a tile. Wide tiles are better, because a tile packs its rows of A once for all its columns.
  /// But about 32 tiles are needed to balance up to 32 threads. Tried: 2,048 columns for all products, no
  /// better.
  static int64_t width(int64_t N, int64_t down) {
    constexpr int64_t kTiles = 32;
    constexpr int64_t kNarrowest = 1024;
    constexpr int64_t kWidest = 2048;
    const int64_t wanted = pieces_of(kTiles, down);
    return std::clamp(round_up(pieces_of(N, wanted), kGroupColumns), kNarrowest, kWidest);
  }
  /// The same for rows that are all in one block, as in generation: B is read once from memory, which all threads
  /// should do together, and packing so few rows of A again costs little.
  static int64_t width_of_few(int64_t M, int64_t N) {
    constexpr int64_t kTiles = 32;
    constexpr int64_t kFewRows = 16;
    constexpr int64_t kWidest = 2048;
    const int64_t narrowest = M <= kFewRows ? 2 * kGroupColumns : 4 * kGroupColumns;
    return std::clamp(round_up(pieces_of(N, kTiles), kGroupColumns), narrowest, kWidest);
  }

  int64_t count() const { return rows.pieces * columns.pieces; }
  Part tile(size_t index) const {
    const int64_t down = static_cast<int64_t>(index) / columns.pieces;
    const int64_t across = static_cast<int64_t>(index) % columns.pieces;
    return {rows.begin(down), rows.size(down), columns.begin(across), columns.size(across)};
  }

  Cut rows, columns;
};

}  // namespace

PackedMatrix::PackedMatrix(Precision precision, int64_t K, int64_t N)
    : precision_(precision), K_(K), N_(N), data_(size_words(precision, K, N)) {}

void PackedMatrix::reshape(int64_t K, int64_t N) {
  const size_t words = size_words(precision_, K, N);
  PRETRAIN_CHECK(words <= data_.size(), "[{}, {}] in room for {} words", K, N, data_.size());
  K_ = K;
  N_ = N;
}

size_t PackedMatrix::size_words(Precision precision, int64_t K, int64_t N) {
  return static_cast<size_t>(words_of(precision, K) * round_up(N, kWidestPanel));
}

template <typename F>
void PackedMatrix::for_each_panel(Compute& compute, const F& f) {
  const auto panel = static_cast<size_t>(panel_columns_);
  compute.parallel_ranges(static_cast<size_t>(N_), panel, [&](size_t begin, size_t end) {
    f(static_cast<int64_t>(begin), static_cast<int64_t>(end - begin));
  });
}

float* PackedMatrix::panel_at(int64_t column) {
  return data_.data() + column * words_of(precision_, K_);
}

void PackedMatrix::pack(Compute& compute, const MatrixView& b) {
  for_each_panel(compute, [&](int64_t column, int64_t columns) {
    pack_columns(precision_, K_, columns, b.at(0, column), panel_at(column), panel_columns_);
  });
}

/// One pass over a gradient for both the packed operand and the gradient of the bias.
void PackedMatrix::pack_and_sum(Compute& compute, const float* b, int64_t ld, Store store, float* sums) {
  for_each_panel(compute, [&](int64_t column, int64_t columns) {
    pack_columns_and_sum(precision_, {.elements = b + column, .ld = ld, .K = K_, .N = columns},
                         panel_at(column), panel_columns_, store, sums + column);
  });
}

void PackedMatrix::pack_transposed(Compute& compute, const float* b, int64_t ld) {
  pack(compute, MatrixView(b, ld).transposed());
}

void product(Compute& compute, int64_t M, const MatrixView& a, const PackedMatrix& b, float* c,
             const Epilogue& epilogue) {
  PRETRAIN_CHECK(
      !epilogue.kept || epilogue.kept.precision() == Precision::kBf16 || epilogue.kept.floats() == c,
      "what is kept in float32 is the product itself");
  PRETRAIN_CHECK(!epilogue.gelu || epilogue.gelu_input || epilogue.kept, "gelu needs an input");
  PRETRAIN_CHECK((!epilogue.gelu_input && !epilogue.swiglu.up) || !epilogue.kept, "a gradient is not kept");
  PRETRAIN_CHECK(!epilogue.swiglu.gate || (epilogue.swiglu.up ? epilogue.swiglu.dgate != nullptr
                                                              : epilogue.kept && epilogue.swiglu.gated),
                 "swiglu needs what its gate lets through, and room for the result");
  PRETRAIN_CHECK(a.elements.precision() == Precision::kFloat32 || b.precision() == Precision::kBf16,
                 "bf16 is not multiplied with float32");
  PRETRAIN_CHECK(M > 0 && b.K() > 0 && b.N() > 0, "a product of [{}, {}] and [{}, {}]", M, b.K(), b.K(),
                 b.N());
  const Destination destination{c, b.N(), epilogue};
  const KernelShape shape = kernel_shape(b.precision());
  PRETRAIN_CHECK(shape.block_rows % shape.tile_rows == 0, "blocks of tiles of {} rows", shape.tile_rows);
  PRETRAIN_CHECK(packed_row_words(b.precision(), shape.block_rows, shape.terms) <= Compute::kScratchFloats,
                 "{} rows of {} terms", shape.block_rows, shape.terms);
  const Tiling tiling(shape, M, b.N());
  compute.parallel_for(static_cast<size_t>(tiling.count()), [&](size_t index) {
    run_tile(shape, tiling.tile(index), a, b, destination, compute.scratch());
  });
}

}  // namespace pretrain
