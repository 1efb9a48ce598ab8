// SPDX-License-Identifier: Apache-2.0
#pragma once
// Matrix products over all threads. Operands may be bf16, all else is float32; `ld` is the distance between
// rows in elements.

#include <cstddef>
#include <cstdint>

#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/product_kernel.h"
#include "libs/tensor/store.h"

namespace pretrain {

/// The right-hand operand of many products, laid out as the kernel reads it: panels of
/// kernel_shape().panel_columns columns of words. Filled once (weights: once an optimizer step), read by all
/// threads.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// Shapes: [K, N].
  PackedMatrix(Precision precision, int64_t K, int64_t N);
  /// An empty matrix with room for any shape of at most that many words.
  PackedMatrix(Precision precision, size_t capacity) : precision_(precision), data_(capacity) {}

  /// Another shape in the same memory; the content is undefined until packed.
  /// Requires: it fits.
  void reshape(int64_t K, int64_t N);

  Precision precision() const { return precision_; }
  int64_t K() const { return K_; }
  int64_t N() const { return N_; }
  /// Words of 32 bits.
  static size_t size_words(Precision precision, int64_t K, int64_t N);

  /// Packs B.
  /// Shapes: b [K, N].
  /// Requires: one of its strides is 1; bf16 only into bf16.
  void pack(Compute& compute, const MatrixView& b);
  /// The same for rows `ld` apart.
  void pack(Compute& compute, const float* b, int64_t ld) { pack(compute, {b, ld}); }
  /// Packs B and adds up its columns: sums (+)= column sums.
  /// Shapes: b [K, N], sums [N].
  void pack_and_sum(Compute& compute, const float* b, int64_t ld, Store store, float* sums);
  /// Packs the transpose of what is stored.
  /// Shapes: b [N, K].
  void pack_transposed(Compute& compute, const float* b, int64_t ld);

  /// Columns from `column` and terms from k on, rows of words panel_columns apart.
  /// Requires: multiples of panel_columns and of terms_per_word().
  const float* panel(int64_t column, int64_t k) const {
    return data_.data() + column * words_of(precision_, K_) + k / terms_per_word(precision_) * panel_columns_;
  }

 private:
  float* panel_at(int64_t column);
  /// Calls f(column, columns) for each panel, in any order.
  template <typename F>
  void for_each_panel(Compute& compute, const F& f);

  Precision precision_ = Precision::kFloat32;
  int64_t panel_columns_ = kernel_shape(precision_).panel_columns;
  int64_t K_ = 0;
  int64_t N_ = 0;
  Buffer<float> data_;
};

/// SwiGLU within an Epilogue. Empty gate: none. Forward, C is what the gate lets through: `gated` becomes
/// silu(gate) * kept. With `up`, C is the gradient of silu(gate) * up: it becomes that of up, `dgate` that of
/// the gate, and `gated`, if given, the hidden values once more. All are [M, N].
struct SwigluEpilogue {
  ConstOperand gate = {};
  ConstOperand up = {};
  float* dgate = nullptr;
  Operand gated = {};
};

/// What happens to C = A B while its elements are in cache, in this order. Null or empty: nothing.
/// Requires: not both kept and gelu_input, nor kept and swiglu.up.
struct Epilogue {
  const float* bias = nullptr;   ///< [N], added to each row
  const float* added = nullptr;  ///< [M, N], added; may be C itself
  Operand kept = {};             ///< [M, N], becomes C, rounded; if it is float32, it is C itself
  ConstOperand gelu_input = {};  ///< [M, N]: C is multiplied by the derivative of gelu there
  Operand gelu = {};             ///< [M, N], becomes gelu(gelu_input), without that gelu(kept)
  SwigluEpilogue swiglu = {};
};

/// C[M, N] = A[M, K] B[K, N] and the epilogue, A rounded to the precision of B.
/// Requires: one of A's strides is 1; A in bf16 only with such a B; gelu in the precision of what it is
/// computed from.
/// Aliasing: c overlaps neither a nor b.
/// Repeatability: bit-identical for any number of threads.
void product(Compute& compute, int64_t M, const MatrixView& a, const PackedMatrix& b, float* c,
             const Epilogue& epilogue = {});

}  // namespace pretrain
