#pragma once
// A linear layer y = x W + b over a fixed number of rows, with its weights packed for both directions.

#include <cstdint>

#include "libs/tensor/gemm.h"

namespace pretrain {

/// Scratch that all layers of a model share; sized for the largest of them. Single-owner.
struct LinearScratch {
  LinearScratch(int64_t rows, int64_t widest_input, int64_t widest_output)
      : transposed(static_cast<size_t>(rows * widest_input)),
        packed(PackedMatrix::size_floats(rows, widest_output)) {}
  Buffer<float> transposed;  // [in, M]
  PackedMatrix packed;       // [M, out]
};

/// Shapes: x [M, in], W [in, out], b [out], y [M, out]. Single-owner.
class Linear {
 public:
  Linear(ProductCache& products, int64_t M, int64_t in, int64_t out);

  /// Packs W for the forward and, if asked, for the backward pass. To be called after each change of W.
  void pack(const float* W, bool for_backward);

  /// y = x W + b, or y = residual + x W + b when a residual is given. Aliasing: y is neither x nor residual.
  void forward(const float* x, const float* b, float* y, const float* residual = nullptr);

  /// dx = dy W^T.
  void backward_input(const float* dy, float* dx);

  /// dW (+)= x^T dy;  db (+)= column sums of dy.
  void backward_parameters(const float* x, const float* dy, bool accumulate, float* dW, float* db,
                           LinearScratch& scratch);

 private:
  Compute& compute_;
  int64_t M_, in_, out_;
  PackedMatrix weight_;             // [in, out]
  PackedMatrix weight_transposed_;  // [out, in]
  const Product& forward_;
  const Product& forward_residual_;
  const Product& input_gradient_;
  const Product& weight_gradient_;
  const Product& weight_gradient_accumulated_;
};

}  // namespace pretrain
