#include "libs/model/linear.h"

#include "libs/tensor/reduction.h"
#include "libs/tensor/transpose.h"

namespace pretrain {

Linear::Linear(ProductCache& products, int64_t M, int64_t in, int64_t out)
    : compute_(products.compute()),
      M_(M),
      in_(in),
      out_(out),
      weight_(in, out),
      forward_(products.get({.M = M, .N = out, .K = in, .bias = true})),
      forward_residual_(products.get({.M = M, .N = out, .K = in, .accumulate = true, .bias = true})),
      input_gradient_(products.get({.M = M, .N = in, .K = out})),
      weight_gradient_(products.get({.M = in, .N = out, .K = M})),
      weight_gradient_accumulated_(products.get({.M = in, .N = out, .K = M, .accumulate = true})) {}

void Linear::pack(const float* W, bool for_backward) {
  weight_.pack(compute_, W, out_);
  if (!for_backward) return;
  if (weight_transposed_.K() == 0) weight_transposed_ = PackedMatrix(out_, in_);
  weight_transposed_.pack_transposed(compute_, W, out_);
}

void Linear::forward(const float* x, const float* b, float* y, const float* residual) {
  (residual == nullptr ? forward_ : forward_residual_).run(x, weight_, y, b, residual);
}

void Linear::backward_input(const float* dy, float* dx) {
  input_gradient_.run(dy, weight_transposed_, dx);
}

void Linear::backward_parameters(const float* x, const float* dy, bool accumulate, float* dW, float* db,
                                 LinearScratch& scratch) {
  transpose(compute_, x, in_, M_, in_, scratch.transposed.data(), M_);
  scratch.packed.reshape(M_, out_);
  scratch.packed.pack(compute_, dy, out_);
  (accumulate ? weight_gradient_accumulated_ : weight_gradient_)
      .run(scratch.transposed.data(), scratch.packed, dW);
  column_sums(compute_, dy, M_, out_, accumulate, db);
}

}  // namespace pretrain
