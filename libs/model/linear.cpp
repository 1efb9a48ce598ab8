#include "libs/model/linear.h"

namespace pretrain {

Linear::Linear(PassContext& context, const LinearParameters& at)
    : c_(context), at_(at), weight_(context.shape.precision, at.in, at.out) {
  if (context.shape.training) weight_transposed_ = PackedMatrix(context.shape.precision, at.out, at.in);
}

void Linear::pack() {
  const float* W = c_.parameter(at_.weight);
  weight_.pack(c_.compute, W, at_.out);
  if (c_.shape.training) weight_transposed_.pack_transposed(c_.compute, W, at_.out);
}

void Linear::forward(const ConstOperand& x, float* y, Epilogue then) {
  then.bias = c_.parameter(at_.bias);
  product(c_.compute, c_.M, {x, at_.in}, weight_, y, then);
}

void Linear::backward_input(const float* dy, float* dx, const Epilogue& then) {
  product(c_.compute, c_.M, {dy, at_.out}, weight_transposed_, dx, then);
}

void Linear::backward_parameters(const ConstOperand& x, const float* dy, const GradientSink& gradients) {
  float* dW = gradients.values + at_.weight;
  PackedMatrix& packed = c_.packed_gradient;
  packed.reshape(c_.M, at_.out);
  packed.pack_and_sum(c_.compute, dy, at_.out, gradients.accumulate, gradients.values + at_.bias);
  product(c_.compute, at_.in, MatrixView(x, at_.in).transposed(), packed, dW,
          {.added = gradients.accumulate ? dW : nullptr});
}

}  // namespace pretrain
