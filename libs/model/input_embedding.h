#pragma once
// The beginning of a pass: token embeddings plus learned position embeddings.

#include <cstdint>

#include "libs/model/parameters.h"
#include "libs/model/pass_context.h"

namespace pretrain {

/// Letters: B rows, T context, M = B*T, C d_model.
class InputEmbedding {
 public:
  InputEmbedding(PassContext& context, const ParameterLayout& layout) : c_(context), layout_(layout) {}

  /// Shapes: tokens [M], x [M, C].
  /// Requires: tokens below the vocabulary's size.
  void forward(const uint32_t* tokens, float* x) const;
  /// Adds to the gradient of the token embedding, which the tied head has begun; that of the positions is
  /// overwritten or added to as `gradients` says.
  /// Shapes: tokens [M], dx [M, C].
  void backward(const uint32_t* tokens, const float* dx, const GradientSink& gradients) const;

 private:
  PassContext& c_;
  const ParameterLayout& layout_;
};

}  // namespace pretrain
