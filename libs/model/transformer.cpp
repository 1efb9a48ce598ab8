// SPDX-License-Identifier: Apache-2.0
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
      embedding_(context_, layout_.embedding()),
      head_(context_, layout_.head(), t_.head) {
  for (size_t l = 0; l < t_.layers.size(); ++l) layers_.push_back(make_layer(l));
}

Transformer::Layer Transformer::make_layer(size_t index) {
  const LayerTensors& tensors = t_.layers[index];
  const LayerParameters& parameters = layout_.layers()[index];
  std::vector<float*> stream{t_.residual[index]};
  stream.insert(stream.end(), tensors.between.begin(), tensors.between.end());
  stream.push_back(t_.residual[index + 1]);
  Layer layer;
  for (size_t i = 0; i < parameters.size(); ++i) {
    layer.push_back(
        {Kinds::make_block(context_, parameters[i], tensors.blocks[i]), stream[i], stream[i + 1]});
  }
  return layer;
}

void Transformer::use_parameters(const float* parameters) {
  context_.parameters = parameters;
  for (Layer& layer : layers_) {
    for (Station& station : layer) std::visit([](auto& block) { block.pack(); }, station.block);
  }
  head_.pack();
}

void Transformer::Station::forward() {
  std::visit([this](auto& at) { at.forward(in, out); }, block);
}

void Transformer::forward(const uint32_t* inputs) {
  PRETRAIN_CHECK(context_.parameters != nullptr, "no parameters in use");
  embedding_.forward(inputs, t_.residual.front());
  for (Layer& layer : layers_) {
    for (Station& station : layer) station.forward();
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
                                     bool accumulate, float* gradients, const OnGradientPart& on_part) {
  PRETRAIN_CHECK(context_.shape.training, "made for evaluation only");
  {
    const ScopedSeconds timed(context_.seconds.forward);
    forward(inputs);
  }
  const GradientSink sink{gradients, accumulate};
  const double loss = head_.loss_and_gradients(targets, gradient_scale, sink, t_.dnarrow);
  const ScopedSeconds timed(context_.seconds.backward);
  backward(inputs, sink, on_part);
  return loss;
}

// Starts from the head's gradient of the normed output in dnarrow; dx is the gradient of the residual stream.
void Transformer::backward(const uint32_t* inputs, const GradientSink& gradients,
                           const OnGradientPart& on_part) {
  auto part = layout_.backward_parts().begin();
  const auto complete_part = [&] {
    if (on_part) on_part(*part);
    ++part;
  };
  head_.backward(t_.residual.back(), t_.dnarrow, gradients, t_.dx);
  complete_part();
  for (size_t l = layers_.size(); l-- > 0;) {
    restore_layer(l);
    Layer& layer = layers_[l];
    for (size_t i = layer.size(); i-- > 0;) {
      std::visit([&](auto& block) { block.backward(layer[i].in, gradients, t_.dx, t_.dnarrow); },
                 layer[i].block);
    }
    complete_part();
  }
  embedding_.backward(inputs, t_.dx, gradients);
  context_.show("gradients", gradients.values, static_cast<int64_t>(layout_.flat_size()));
  complete_part();
}

/// Where layers share their tensors, those of the last one are still there.
void Transformer::restore_layer(size_t index) {
  if (!context_.shape.layers_share() || index + 1 == layers_.size()) return;
  Layer& layer = layers_[index];
  for (size_t i = 0; i + 1 < layer.size(); ++i) layer[i].forward();
  std::visit([&](auto& block) { block.restore(layer.back().in); }, layer.back().block);
}

PassSeconds Transformer::take_seconds() {
  return std::exchange(context_.seconds, {});
}

void Transformer::logits(float* logits) {
  head_.logits(logits);
}

}  // namespace pretrain
