#include "libs/model/linear.h"

namespace pretrain {

Linear::Linear(Compute& compute, int64_t M, int64_t in, int64_t out, const Options& options)
    : compute_(compute), M_(M), in_(in), out_(out), weight_(options.precision, in, out) {
  if (options.training) weight_transposed_ = PackedMatrix(options.precision, out, in);
}

void Linear::pack(const float* W) {
  weight_.pack(compute_, W, out_);
  if (weight_transposed_.K() > 0) weight_transposed_.pack_transposed(compute_, W, out_);
}

void Linear::forward(const ConstOperand& x, const float* b, float* y, Epilogue then) {
  then.bias = b;
  product(compute_, M_, {x, in_}, weight_, y, then);
}

void Linear::backward_input(const float* dy, float* dx, const Epilogue& then) {
  product(compute_, M_, {dy, out_}, weight_transposed_, dx, then);
}

void Linear::backward_parameters(const ConstOperand& x, const float* dy, bool accumulate, float* dW,
                                 float* db, PackedMatrix& packed) {
  packed.reshape(M_, out_);
  packed.pack_and_sum(compute_, dy, out_, accumulate, db);
  product(compute_, in_, MatrixView(x, in_).transposed(), packed, dW, {.added = accumulate ? dW : nullptr});
}

}  // namespace pretrain
