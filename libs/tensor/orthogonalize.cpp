// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/orthogonalize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "libs/base/check.h"
#include "libs/tensor/product_kernel.h"

namespace pretrain {
namespace {

/// Equioscillating on the interval that the earlier ones leave; the last leaves [0.917, 1.083]. A test checks
/// them. Tried: tests/learning/NOTES.md.
constexpr std::array<OddPolynomial, 4> kSteps{{{8.298703491, -24.43049815, 18.09030419},
                                               {3.91522096, -2.921130232, 0.5592232598},
                                               {3.174603657, -2.380432834, 0.4978263935},
                                               {2.18946284, -1.567220683, 0.407887158}}};

/// Rows of a tile. Only tiles on and below the diagonal of a symmetric product are computed: with 64 rows, 56 %
/// of one of 512. A multiple of four, since mirror() writes in groups of four.
constexpr int64_t kTileRows = 64;
/// Columns of a tile of a wide product, so that there is work for several threads.
constexpr int64_t kTileColumns = 512;
/// Traces of Gram matrices that can be scaled to 1 without rounding elements to zero.
constexpr double kSmallestTrace = 1e-30;
constexpr double kLargestTrace = 1e37;

int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/// The right factor of a product, packed. Rows of a panel are panel_columns words apart.
struct RightFactor {
  int64_t K, N;
  float* words;
  int64_t panel_columns;

  float* panel(int64_t column, int64_t k) const { return words + column * K + k * panel_columns; }
};

/// The left factor, and where the product goes.
struct Product {
  int64_t M;
  MatrixView left;
  float* c;
  int64_t ld;
};

/// One matrix and the memory for it. m is its shorter side, n its longer one.
class Orthogonalizer {
 public:
  Orthogonalizer(Compute& compute, Workers workers, const MatrixSize& size, float* scratch)
      : compute_(compute),
        workers_(workers),
        size_(size),
        m_(std::min(size.rows, size.columns)),
        n_(std::max(size.rows, size.columns)),
        ld_(padded_side(m_)) {
    for (float** matrix : {&a_, &z_, &q_, &w_}) {
      *matrix = scratch;
      scratch += m_ * ld_;
    }
    sums_ = scratch;
    packed_ = scratch + ld_;
  }

  static size_t scratch(const MatrixSize& size) {
    const int64_t m = std::min(size.rows, size.columns);
    const int64_t n = std::max(size.rows, size.columns);
    const int64_t packed = std::max(n * round_up(m, kWidestPanel), m * round_up(n, kWidestPanel));
    return static_cast<size_t>((4 * m + 1) * padded_side(m) + packed);
  }

  void run(const float* x, float* out) {
    const MatrixView rows(x, size_.columns);
    const bool tall = size_.rows > size_.columns;
    const MatrixView wide = tall ? rows.transposed() : rows;  // [m, n]
    symmetric({m_, wide, a_, ld_}, pack(n_, m_, wide.transposed()));
    const double trace = scale_by_trace();
    if (trace == 0) {
      std::fill_n(out, m_ * n_, 0.0F);
      return;
    }
    iterate(trace);
    if (tall) {
      rectangular({n_, rows, out, m_}, pack(m_, m_, view(q_)));
    } else {
      rectangular({m_, view(q_), out, n_}, pack(m_, n_, rows));
    }
  }

 private:
  static int64_t padded_side(int64_t m) { return round_up(m, 16); }

  MatrixView view(const float* matrix) const { return {matrix, ld_}; }

  template <typename F>
  void for_each(int64_t count, const F& f) {
    if (workers_ == Workers::kAll) {
      compute_.parallel_for(static_cast<size_t>(count), [&](size_t i) { f(static_cast<int64_t>(i)); });
    } else {
      for (int64_t i = 0; i < count; ++i) f(i);
    }
  }

  /// f(row, rows) for blocks of rows of an [m, m] matrix, the longest of a triangle first.
  template <typename F>
  void for_each_block(const F& f) {
    const int64_t blocks = (m_ + kTileRows - 1) / kTileRows;
    for_each(blocks, [&](int64_t i) {
      const int64_t row = (blocks - 1 - i) * kTileRows;
      f(row, std::min(kTileRows, m_ - row));
    });
  }

  RightFactor pack(int64_t K, int64_t N, const MatrixView& b) {
    const int64_t width = shape_.panel_columns;
    const RightFactor right{K, N, packed_, width};
    for_each((N + width - 1) / width, [&](int64_t panel) {
      const int64_t column = panel * width;
      pack_columns(Precision::kFloat32, K, std::min(width, N - column), b.at(0, column),
                   right.panel(column, 0), width);
    });
    return right;
  }

  /// Rows and columns of a product, on the calling thread.
  void tile(const Product& p, const RightFactor& right, int64_t row, int64_t rows, int64_t column,
            int64_t end) {
    float* packed_rows = compute_.scratch();
    const int64_t width = right.panel_columns;
    for (int64_t k = 0; k < right.K; k += shape_.terms) {
      const int64_t terms = std::min(shape_.terms, right.K - k);
      pack_rows(Precision::kFloat32, rows, terms, p.left.at(row, k), packed_rows);
      for (int64_t n = column; n < end; n += width) {
        float* c = p.c + row * p.ld + n;
        const ReadNext next{.panel = n + width < end ? right.panel(n + width, k) : nullptr};
        multiply_packed(Precision::kFloat32, {rows, std::min(width, end - n), terms}, packed_rows,
                        {right.panel(n, k), width}, {c, p.ld}, {.matrix = k > 0 ? c : nullptr, .ld = p.ld},
                        next);
      }
    }
  }

  /// Any product.
  void rectangular(const Product& p, const RightFactor& right) {
    const int64_t down = (p.M + kTileRows - 1) / kTileRows;
    const int64_t across = (right.N + kTileColumns - 1) / kTileColumns;
    for_each(down * across, [&](int64_t i) {
      const int64_t row = i / across * kTileRows;
      const int64_t column = i % across * kTileColumns;
      tile(p, right, row, std::min(kTileRows, p.M - row), column, std::min(column + kTileColumns, right.N));
    });
  }

  /// A product that is symmetric, at half the work, and what `finish` does to a block of rows up to the
  /// diagonal.
  template <typename Finish>
  void symmetric(const Product& p, const RightFactor& right, const Finish& finish) {
    for_each_block([&](int64_t row, int64_t rows) {
      tile(p, right, row, rows, 0, row + rows);
      finish(row, rows);
      mirror(p.c, row, rows);
    });
  }
  void symmetric(const Product& p, const RightFactor& right) {
    symmetric(p, right, [](int64_t, int64_t) {});
  }

  /// Copies the columns before a block of rows to their place above the diagonal.
  void mirror(float* c, int64_t row, int64_t rows) const {
    if (row == 0) return;
    pack_columns(Precision::kFloat32, row, rows, MatrixView(c + row * ld_, ld_).transposed(), c + row, ld_);
  }

  /// A becomes A / trace, so that no square of it overflows. Returns the trace, or 0 if it is
  /// too small or too large.
  double scale_by_trace() {
    double trace = 0;
    for (int64_t i = 0; i < m_; ++i) trace += static_cast<double>(a_[i * ld_ + i]);
    if (!(trace >= kSmallestTrace && trace <= kLargestTrace)) return 0;  // also for NaN
    scale(static_cast<float>(1 / trace));
    return trace;
  }

  void scale(float factor) {
    for_each_block([&](int64_t row, int64_t rows) {
      for (int64_t r = row; r < row + rows; ++r) {
        for (int64_t i = r * ld_; i < r * ld_ + m_; ++i) a_[i] *= factor;
      }
    });
  }

  /// Z = a I + b A + c S in the place of S, the first `columns` columns of a block of rows.
  void combine(const OddPolynomial& p, double factor, int64_t row, int64_t rows, int64_t columns) {
    const auto a = static_cast<float>(factor * p.a);
    const auto b = static_cast<float>(factor * p.b);
    const auto c = static_cast<float>(factor * p.c);
    for (int64_t r = row; r < row + rows; ++r) {
      float* z = z_ + r * ld_;
      const float* from = a_ + r * ld_;
      for (int64_t i = 0; i < columns; ++i) z[i] = b * from[i] + c * z[i];
      z[r] += a;
    }
  }

  /// The first step learns from A^2 how large the largest eigenvalue can be: with all eigenvalues l,
  /// max l <= (sum l^4)^(1/4) = |A^2|^(1/2). That is several times tighter than the trace, so that small
  /// eigenvalues start several times larger. A becomes A / bound, and A^2 accordingly. Returns the bound.
  double bound_largest() {
    for_each_block([&](int64_t row, int64_t rows) { sums_[row / kTileRows] = squares(z_, row, rows); });
    double sum = 0;
    for (int64_t row = 0; row < m_; row += kTileRows) sum += static_cast<double>(sums_[row / kTileRows]);
    const double bound = std::sqrt(std::sqrt(sum));
    scale(static_cast<float>(1 / bound));
    return bound;
  }

  /// In eight chains, which the compiler makes vectors of.
  float squares(const float* matrix, int64_t row, int64_t rows) const {
    std::array<float, 8> chains{};
    for (int64_t r = row; r < row + rows; ++r) {
      const float* values = matrix + r * ld_;
      int64_t i = 0;
      for (; i + 8 <= m_; i += 8) {
        for (size_t lane = 0; lane < 8; ++lane) {
          const float value = values[i + static_cast<int64_t>(lane)];
          chains[lane] += value * value;
        }
      }
      for (; i < m_; ++i) chains[0] += values[i] * values[i];
    }
    float sum = 0;
    for (const float chain : chains) sum += chain;
    return sum;
  }

  /// From A / trace to Q, which takes the scale of X along.
  void iterate(double trace) {
    symmetric({m_, view(a_), z_, ld_}, pack(m_, m_, view(a_)));
    const double bound = bound_largest();
    const double inverse_size = 1 / std::sqrt(trace * bound);  // of X, as A's is bounded now
    for_each_block([&](int64_t row, int64_t rows) {
      const OddPolynomial& p = kSteps[0];
      combine({p.a, p.b, p.c / (bound * bound)}, 1, row, rows, m_);
    });
    advance();
    std::swap(q_, z_);
    for (size_t k = 1; k < kSteps.size(); ++k) {
      const bool last = k + 1 == kSteps.size();
      symmetric({m_, view(a_), z_, ld_}, pack(m_, m_, view(a_)), [&](int64_t row, int64_t rows) {
        combine(kSteps[k], last ? inverse_size : 1, row, rows, row + rows);
      });
      if (last) {
        extend(pack(m_, m_, view(z_)));
      } else {
        extend(advance());
      }
    }
  }

  /// A <- (A Z) Z. Returns Z, packed.
  RightFactor advance() {
    const RightFactor z = pack(m_, m_, view(z_));
    symmetric({m_, view(a_), w_, ld_}, z);
    symmetric({m_, view(w_), a_, ld_}, z);
    return z;
  }

  /// Q <- Q Z
  void extend(const RightFactor& z) {
    symmetric({m_, view(q_), w_, ld_}, z);
    std::swap(q_, w_);
  }

  Compute& compute_;
  const Workers workers_;
  const KernelShape shape_ = kernel_shape(Precision::kFloat32);
  const MatrixSize size_;
  const int64_t m_, n_, ld_;
  float *a_, *z_, *q_, *w_;  // [m, m], rows ld apart; symmetric
  float* sums_;              // one for each block of rows
  float* packed_;
};

}  // namespace

std::span<const OddPolynomial> orthogonal_steps() {
  return kSteps;
}

size_t orthogonalize_scratch(const MatrixSize& size) {
  return Orthogonalizer::scratch(size);
}

void orthogonalize(Compute& compute, Workers workers, const MatrixSize& size, const float* x, float* out,
                   float* scratch) {
  PRETRAIN_CHECK(size.rows > 0 && size.columns > 0, "a matrix of [{}, {}]", size.rows, size.columns);
  Orthogonalizer(compute, workers, size, scratch).run(x, out);
}

}  // namespace pretrain
