#pragma once
// The training pass of a transformer: forward, loss and hand-derived backward over micro-batches of fixed
// shape. Letters: B rows, T context, M = B*T, C d_model, F d_ff, V vocabulary, H heads, L layers.

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "libs/model/activations.h"
#include "libs/model/config.h"
#include "libs/model/linear.h"
#include "libs/model/parameters.h"
#include "libs/tensor/attention.h"

namespace pretrain {

/// Seconds that a pass spent; `loss` is part of forward and backward.
struct PassSeconds {
  double forward = 0;
  double backward = 0;
  double loss = 0;
};

/// Is shown each tensor of a pass as soon as it is made, under a name such as "attention_out", and may change
/// it. For checks: it finds where numbers go wrong, and tests inject faults with it.
using TensorProbe = std::function<void(std::string_view name, std::span<float> values)>;

/// One model with its activations for micro-batches of B rows. All memory is allocated in the constructor.
/// Single-owner. Repeatability: results do not depend on the number of threads.
class Transformer {
 public:
  /// Without shape.training only evaluate() may be called, and what only the backward pass needs is not
  /// allocated.
  Transformer(Compute& compute, const PassShape& shape);
  Transformer(const Transformer&) = delete;
  Transformer& operator=(const Transformer&) = delete;

  int64_t rows() const { return B_; }
  int64_t context() const { return T_; }
  const ParameterLayout& layout() const { return layout_; }

  /// Takes over parameters for the passes that follow: keeps the pointer and packs the matrices.
  /// Called after each change of the values. Shapes: parameters [layout().flat_size()].
  void use_parameters(const float* parameters);

  /// Sum of the losses of all targets that count, in nats. Shapes: inputs, targets [B, T].
  double evaluate(const uint32_t* inputs, const int32_t* targets);

  /// Loss as evaluate(), and gradients of (gradient_scale * sum of losses).
  /// Overwrites the gradients, or adds to them when `accumulate` is set. Shapes: gradients
  /// [layout().flat_size()].
  double forward_backward(const uint32_t* inputs, const int32_t* targets, float gradient_scale,
                          bool accumulate, float* gradients);

  void set_probe(TensorProbe probe) { probe_ = std::move(probe); }

  /// Time spent in passes since the last call.
  PassSeconds take_seconds();

  /// Logits of every position after evaluate() on the same inputs. Shapes: logits [B*T, V]. For checks and
  /// exports.
  void logits(float* logits);

 private:
  /// The products of one layer.
  struct Layer {
    Layer(Compute& compute, const PassShape& shape);
    Layer(Compute& compute, const ModelConfig& config, int64_t M, const Linear::Options& options);
    Linear qkv, attention, up, down;
  };

  void forward(const uint32_t* inputs);
  void forward_layer(size_t index);
  void forward_attention(size_t index);
  void forward_up(size_t index);
  double head(const int32_t* targets, float gradient_scale, bool accumulate, float* gradients);
  void head_chunk_backward(int64_t first, int64_t rows, bool accumulate, float* gradients);
  void backward(const uint32_t* inputs, bool accumulate, float* gradients);
  void restore_layer(size_t index);
  void backward_mlp(size_t index, bool accumulate, float* gradients);
  void backward_attention(size_t index, bool accumulate, float* gradients);

  void show(std::string_view name, float* values, int64_t rows, int64_t columns = 1);
  void show(std::string_view name, const Operand& kept, int64_t rows, int64_t columns);
  void show(std::string_view name, const Operand& kept, int64_t rows, int64_t columns, int64_t ld);

  const float* parameter(size_t offset) const { return parameters_ + offset; }

  Compute& compute_;
  ModelConfig config_;
  ParameterLayout layout_;
  int64_t B_, T_, M_, C_, F_, V_;
  const float* parameters_ = nullptr;

  PassShape shape_;  // of config_
  CausalAttention attention_;
  std::vector<Layer> layers_;
  int64_t head_rows_;             // rows of one chunk of logits
  PackedMatrix head_weight_;      // [C, V]
  PackedMatrix head_transposed_;  // [V, C], training only
  PackedMatrix packed_gradient_;  // of a layer's output, for the product with its input; training only
  PassMemory memory_;
  const PassTensors& t_;
  PassSeconds seconds_;
  TensorProbe probe_;
};

}  // namespace pretrain
