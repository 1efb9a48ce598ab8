// SPDX-License-Identifier: Apache-2.0
#include "libs/model/linear.h"

namespace pretrain {

Linear::Linear(PassContext& context, const LinearParameters& at)
    : c_(context), at_(at), weight_(context.shape.precision, at.in, at.out) {
  if (context.shape.training) weight_transposed_ = PackedMatrix(context.shape.precision, at.out, at.in);
}

void Linear::pack() {
  const float* W = c_.parameter(at_.weight);
  const bool in_out = at_.order == MatrixOrder::kInOut;
  PackedMatrix& as_stored = in_out ? weight_ : weight_transposed_;
  PackedMatrix& turned = in_out ? weight_transposed_ : weight_;
  const int64_t ld = in_out ? at_.out : at_.in;
  if (in_out || c_.shape.training) as_stored.pack(c_.compute, W, ld);
  if (!in_out || c_.shape.training) turned.pack_transposed(c_.compute, W, ld);
}

void Linear::forward(const ConstOperand& x, float* y, Epilogue then) {
  if (at_.bias) then.bias = c_.parameter(*at_.bias);
  product(c_.compute, c_.M, {x, at_.in}, weight_, y, then);
}

void Linear::backward_input(const float* dy, float* dx, const Epilogue& then) {
  product(c_.compute, c_.M, {dy, at_.out}, weight_transposed_, dx, then);
}

void Linear::backward_parameters(const ConstOperand& x, const float* dy, const GradientSink& gradients) {
  float* dW = gradients.values + at_.weight;
  const Epilogue then{.added = gradients.accumulate ? dW : nullptr};
  PackedMatrix& packed = c_.packed_gradient;
  if (at_.order == MatrixOrder::kInOut) {
    pack_gradient(dy, gradients);
    product(c_.compute, at_.in, MatrixView(x, at_.in).transposed(), packed, dW, then);
    return;
  }
  if (at_.bias) pack_gradient(dy, gradients);  // for its sums
  packed.reshape(c_.M, at_.in);
  packed.pack(c_.compute, {x, at_.in});
  product(c_.compute, at_.out, MatrixView(dy, at_.out).transposed(), packed, dW, then);
}

void Linear::pack_gradient(const float* dy, const GradientSink& gradients) {
  PackedMatrix& packed = c_.packed_gradient;
  packed.reshape(c_.M, at_.out);
  if (at_.bias) {
    packed.pack_and_sum(c_.compute, dy, at_.out, gradients.store(), gradients.values + *at_.bias);
  } else {
    packed.pack(c_.compute, {dy, at_.out});
  }
}

}  // namespace pretrain
