// SPDX-License-Identifier: Apache-2.0
#include "libs/model/input_embedding.h"

#include "libs/tensor/embedding.h"

namespace pretrain {

void InputEmbedding::forward(const uint32_t* tokens, float* x) const {
  embed_forward(c_.compute, {.tokens = tokens, .M = c_.M, .T = c_.config.context, .C = c_.config.d_model},
                {c_.parameter(at_.tokens), c_.parameter(at_.positions)}, x);
  c_.show("embedded", x, c_.M, c_.config.d_model);
}

void InputEmbedding::backward(const uint32_t* tokens, const float* dx, const GradientSink& gradients) const {
  embed_backward(c_.compute, {.tokens = tokens, .M = c_.M, .T = c_.config.context, .C = c_.config.d_model},
                 dx, gradients.store(), {gradients.values + at_.tokens, gradients.values + at_.positions});
}

void embed_token(const EmbeddingParameters& at, const float* parameters, uint32_t token, int64_t position,
                 std::span<float> x) {
  const float* embedding = parameters + at.tokens + token * x.size();
  const float* learned = parameters + at.positions + static_cast<size_t>(position) * x.size();
  for (size_t c = 0; c < x.size(); ++c) x[c] = embedding[c] + learned[c];
}

}  // namespace pretrain
