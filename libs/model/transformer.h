// SPDX-License-Identifier: Apache-2.0
#pragma once
// The training pass of a transformer: forward, loss and hand-derived backward over micro-batches of fixed
// shape. It walks the residual stream from part to part; each part (input_embedding.h, the kinds in blocks.h,
// output_head.h) has its own forward and backward pass, parameters and tensors. Which parts stand where is
// the architecture's description. Letters: B rows, T context, M = B*T, C d_model, V vocabulary, L layers.

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "libs/model/blocks.h"
#include "libs/model/input_embedding.h"
#include "libs/model/output_head.h"
#include "libs/model/parameters.h"
#include "libs/model/pass_context.h"
#include "libs/model/pass_memory.h"

namespace pretrain {

/// Is called with each of ParameterLayout::backward_parts() once its gradient is complete.
using OnGradientPart = std::function<void(const ElementRange&)>;

/// One model with its activations for micro-batches of B rows. All memory is allocated in the constructor.
/// Single-owner.
/// Repeatability: results do not depend on the number of threads.
class Transformer {
 public:
  /// Without shape.training only evaluate() may be called, and what only the backward pass needs is not
  /// allocated.
  Transformer(Compute& compute, const PassShape& shape);
  Transformer(const Transformer&) = delete;
  Transformer& operator=(const Transformer&) = delete;

  int64_t rows() const { return context_.shape.rows; }
  int64_t context() const { return context_.config.context; }
  const ParameterLayout& layout() const { return layout_; }

  /// Takes over parameters for the passes that follow: keeps the pointer and packs the matrices.
  /// Called after each change of the values.
  /// Shapes: parameters [layout().flat_size()].
  void use_parameters(const float* parameters);

  /// Sum of the losses of all targets that count, in nats.
  /// Shapes: inputs, targets [B, T].
  double evaluate(const uint32_t* inputs, const int32_t* targets);

  /// Loss as evaluate(), and gradients of (gradient_scale * sum of losses).
  /// Overwrites the gradients, or adds to them when `accumulate` is set. `on_part` may change what it is shown.
  /// Shapes: gradients [layout().flat_size()].
  double forward_backward(const uint32_t* inputs, const int32_t* targets, float gradient_scale,
                          bool accumulate, float* gradients, const OnGradientPart& on_part = {});

  void set_probe(TensorProbe probe) { context_.probe = std::move(probe); }

  /// Time spent in passes since the last call.
  PassSeconds take_seconds();

  /// Logits of every position after evaluate() on the same inputs, for checks and exports.
  /// Shapes: logits [B*T, V].
  void logits(float* logits);

 private:
  /// A block and its position in the residual stream.
  struct Station {
    Block block;
    const float* in;
    float* out;

    void forward();
  };
  using Layer = std::vector<Station>;

  Layer make_layer(size_t index);
  void forward(const uint32_t* inputs);
  void backward(const uint32_t* inputs, const GradientSink& gradients, const OnGradientPart& on_part);
  void restore_layer(size_t index);

  ParameterLayout layout_;
  PassContext context_;
  PassMemory memory_;
  const PassTensors& t_;
  InputEmbedding embedding_;
  std::vector<Layer> layers_;
  OutputHead head_;
};

}  // namespace pretrain
