// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the decoders of a model's blocks share while a text is made token by token: the flat parameters as
// they are, the residual stream of one token, and scratch.

#include <cstdint>
#include <optional>

#include "libs/model/config.h"
#include "libs/model/parameter_table.h"
#include "libs/model/rotary_positions.h"
#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"

namespace pretrain {

/// Single-owner. The parameters must outlive it and not change while it is used.
class TokenContext {
 public:
  /// `scratch_floats`: what the widest linear layer needs, see vector_product.h.
  TokenContext(Compute& threads, const ModelConfig& sizes, const float* flat_parameters,
               size_t scratch_floats);

  const float* parameter(size_t offset) const { return parameters + offset; }

  /// normed = the norm of the residual stream.
  void norm(const NormParameters& at);
  /// out = x W + b.
  /// Shapes: x [in], out [out].
  void linear(const LinearParameters& at, const float* x, float* out);
  /// residual += branch.
  /// Shapes: branch [C].
  void add_to_residual(const Buffer<float>& branch);

  Compute& compute;
  const ModelConfig config;
  const float* const parameters;
  const std::optional<RotaryTable> rotary;
  int64_t position = 0;    // of the token at work
  Buffer<float> residual;  // [C]
  Buffer<float> normed;    // [C]

 private:
  Buffer<float> scratch_;
};

}  // namespace pretrain
