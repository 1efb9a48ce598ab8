#include "libs/model/input_embedding.h"

#include "libs/tensor/embedding.h"

namespace pretrain {

void InputEmbedding::forward(const uint32_t* tokens, float* x) const {
  embed_forward(c_.compute, tokens, c_.parameter(layout_.token_embedding()),
                c_.parameter(layout_.position_embedding()), c_.M, c_.config.context, c_.config.d_model, x);
  c_.show("embedded", x, c_.M, c_.config.d_model);
}

void InputEmbedding::backward(const uint32_t* tokens, const float* dx, const GradientSink& gradients) const {
  embed_backward(c_.compute, tokens, dx, c_.M, c_.config.context, c_.config.d_model, gradients.accumulate,
                 gradients.values + layout_.token_embedding(),
                 gradients.values + layout_.position_embedding());
}

}  // namespace pretrain
