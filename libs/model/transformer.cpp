#include "libs/model/transformer.h"

#include <utility>

#include "libs/base/check.h"
#include "libs/model/scoped_seconds.h"

namespace pretrain {

Transformer::Transformer(Compute& compute, const PassShape& shape)
    : layout_(shape.config),
      context_(compute, shape, shape.training ? packed_gradient_words(shape) : 0),
      memory_(shape),
      t_(memory_.tensors()),
      attention_(compute,
                 {.B = shape.rows,
                  .T = shape.config.context,
                  .H = shape.config.heads,
                  .D = shape.config.head_size()},
                 shape.precision),
      embedding_(context_, layout_),
      head_(context_, layout_, t_.head) {
  layers_.reserve(t_.layers.size());
  for (size_t l = 0; l < t_.layers.size(); ++l) {
    const LayerParameters& at = layout_.layers()[l];
    layers_.push_back({AttentionBlock(context_, attention_, at.attention, t_.layers[l].attention),
                       MlpBlock(context_, at.mlp, t_.layers[l].mlp)});
  }
}

void Transformer::use_parameters(const float* parameters) {
  context_.parameters = parameters;
  for (Layer& layer : layers_) {
    layer.attention.pack();
    layer.mlp.pack();
  }
  head_.pack();
}

void Transformer::forward(const uint32_t* inputs) {
  PRETRAIN_CHECK(context_.parameters != nullptr, "no parameters in use");
  embedding_.forward(inputs, t_.residual.front());
  for (size_t l = 0; l < layers_.size(); ++l) {
    layers_[l].attention.forward(t_.residual[l], t_.layers[l].middle);
    layers_[l].mlp.forward(t_.layers[l].middle, t_.residual[l + 1]);
  }
  head_.forward(t_.residual.back());
}

double Transformer::evaluate(const uint32_t* inputs, const int32_t* targets) {
  {
    const ScopedSeconds timed(context_.seconds.forward);
    forward(inputs);
  }
  return head_.loss(targets);
}

double Transformer::forward_backward(const uint32_t* inputs, const int32_t* targets, float gradient_scale,
                                     bool accumulate, float* gradients) {
  PRETRAIN_CHECK(context_.shape.training, "made for evaluation only");
  {
    const ScopedSeconds timed(context_.seconds.forward);
    forward(inputs);
  }
  const GradientSink sink{gradients, accumulate};
  const double loss = head_.loss_and_gradients(targets, gradient_scale, sink, t_.dnarrow);
  const ScopedSeconds timed(context_.seconds.backward);
  backward(inputs, sink);
  return loss;
}

// Starts from the head's gradient of the normed output in dnarrow; dx is the gradient of the residual stream.
void Transformer::backward(const uint32_t* inputs, const GradientSink& gradients) {
  head_.backward(t_.residual.back(), t_.dnarrow, gradients, t_.dx);
  for (size_t l = layers_.size(); l-- > 0;) {
    restore_layer(l);
    layers_[l].mlp.backward(t_.layers[l].middle, gradients, t_.dx, t_.dnarrow);
    layers_[l].attention.backward(t_.residual[l], gradients, t_.dx, t_.dnarrow);
  }
  embedding_.backward(inputs, t_.dx, gradients);
  context_.show("gradients", gradients.values, static_cast<int64_t>(layout_.flat_size()));
}

/// Where layers share their tensors, those of the last one are still there.
void Transformer::restore_layer(size_t index) {
  if (!context_.shape.layers_share() || index + 1 == layers_.size()) return;
  layers_[index].attention.forward(t_.residual[index], t_.layers[index].middle);
  layers_[index].mlp.restore(t_.layers[index].middle);
}

PassSeconds Transformer::take_seconds() {
  return std::exchange(context_.seconds, {});
}

void Transformer::logits(float* logits) {
  head_.logits(logits);
}

}  // namespace pretrain
