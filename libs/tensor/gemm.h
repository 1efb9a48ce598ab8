#pragma once
// Matrix products over all threads. All matrices are float32; `ld` is the distance between rows in elements.

#include <cstddef>
#include <cstdint>

#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/product_kernel.h"

namespace pretrain {

/// The right-hand operand of many products, laid out as the kernel reads it: panels of
/// kernel_shape().panel_columns columns. Filled once (weights: once an optimizer step), read by all threads.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// Shapes: [K, N].
  PackedMatrix(int64_t K, int64_t N);
  /// An empty matrix with room for any shape of at most that many floats.
  explicit PackedMatrix(size_t capacity_floats) : data_(capacity_floats) {}

  /// Another shape in the same memory; the content is undefined until packed. Requires: it fits.
  void reshape(int64_t K, int64_t N);

  int64_t K() const { return K_; }
  int64_t N() const { return N_; }
  static size_t size_floats(int64_t K, int64_t N);

  /// Packs B. Shapes: b [K, N].
  void pack(Compute& compute, const float* b, int64_t ld);
  /// Packs the transpose of what is stored. Shapes: b [N, K].
  void pack_transposed(Compute& compute, const float* b, int64_t ld);

  /// Columns from `column` on, rows panel_columns apart. Requires: a multiple of panel_columns.
  const float* panel(int64_t column) const { return data_.data() + column * K_; }

 private:
  int64_t K_ = 0;
  int64_t N_ = 0;
  Buffer<float> data_;
};

/// What happens to C = A B while its elements are in cache, in this order. Null: nothing.
struct Epilogue {
  const float* bias = nullptr;        ///< [N], added to each row
  const float* added = nullptr;       ///< [M, N], added; may be C itself
  const float* gelu_input = nullptr;  ///< [M, N]: C is multiplied by the derivative of gelu there
  float* gelu = nullptr;              ///< [M, N], becomes gelu(gelu_input), or gelu(C) without an input
};

/// C[M, N] = A[M, K] B[K, N] and the epilogue. Requires: one of A's strides is 1.
/// Aliasing: c overlaps neither a nor b.
/// Repeatability: bit-identical for any number of threads.
void product(Compute& compute, int64_t M, const MatrixView& a, const PackedMatrix& b, float* c,
             const Epilogue& epilogue = {});

}  // namespace pretrain
