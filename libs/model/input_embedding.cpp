// SPDX-License-Identifier: Apache-2.0
#include "libs/model/input_embedding.h"

#include <algorithm>

#include "libs/tensor/embedding.h"

namespace pretrain {

void InputEmbedding::forward(const uint32_t* tokens, float* x) const {
  const float* positions = at_.positions ? c_.parameter(*at_.positions) : nullptr;
  embed_forward(c_.compute, {.tokens = tokens, .M = c_.M, .T = c_.config.context, .C = c_.config.d_model},
                {c_.parameter(at_.tokens), positions}, x);
  c_.show("embedded", x, c_.M, c_.config.d_model);
}

void InputEmbedding::backward(const uint32_t* tokens, const float* dx, const GradientSink& gradients) const {
  float* dtokens = gradients.values + at_.tokens;
  if (!c_.config.tied && !gradients.accumulate) {  // no head has begun it
    constexpr size_t kElementsPerTask = 65536;
    c_.compute.parallel_ranges(
        static_cast<size_t>(c_.config.vocabulary * c_.config.d_model), kElementsPerTask,
        [&](size_t begin, size_t end) { std::fill(dtokens + begin, dtokens + end, 0.0F); });
  }
  embed_backward(c_.compute, {.tokens = tokens, .M = c_.M, .T = c_.config.context, .C = c_.config.d_model},
                 dx, gradients.store(),
                 {dtokens, at_.positions ? gradients.values + *at_.positions : nullptr});
}

void embed_token(const EmbeddingParameters& at, const float* parameters, uint32_t token, int64_t position,
                 std::span<float> x) {
  const float* embedding = parameters + at.tokens + token * x.size();
  if (!at.positions) {
    std::copy_n(embedding, x.size(), x.data());
    return;
  }
  const float* learned = parameters + *at.positions + static_cast<size_t>(position) * x.size();
  for (size_t c = 0; c < x.size(); ++c) x[c] = embedding[c] + learned[c];
}

}  // namespace pretrain
