#pragma once
// A linear layer y = x W + b over a fixed number of rows, with its weights packed for both directions.

#include <cstdint>

#include "libs/tensor/gemm.h"

namespace pretrain {

/// Shapes: x [M, in], W [in, out], b [out], y [M, out]. Single-owner.
class Linear {
 public:
  struct Options {
    Precision precision = Precision::kFloat32;
    bool training = true;  ///< only then has it a backward pass
  };
  Linear(Compute& compute, int64_t M, int64_t in, int64_t out, const Options& options);

  /// Packs W for its passes. To be called after each change of W.
  void pack(const float* W);

  /// y = x W + b, then what `then` asks for besides the bias. Aliasing: y is neither x nor then.added.
  void forward(const ConstOperand& x, const float* b, float* y, Epilogue then = {});

  /// dx = dy W^T, then what `then` asks for.
  void backward_input(const float* dy, float* dx, const Epilogue& then = {});

  /// dW (+)= x^T dy;  db (+)= column sums of dy. `packed` is scratch with room for [M, out].
  void backward_parameters(const ConstOperand& x, const float* dy, bool accumulate, float* dW, float* db,
                           PackedMatrix& packed);

 private:
  Compute& compute_;
  int64_t M_, in_, out_;
  PackedMatrix weight_;             // [in, out]
  PackedMatrix weight_transposed_;  // [out, in], training only
};

}  // namespace pretrain
