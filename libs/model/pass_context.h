// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the parts of a model share during a pass: threads, sizes, the parameters in use, room for the gradient
// that one part hands to the next, clocks, and the probe that may look at every tensor.

#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "libs/model/pass_shape.h"
#include "libs/model/rotary_positions.h"
#include "libs/tensor/attention.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/gemm.h"
#include "libs/tensor/operand.h"
#include "libs/tensor/store.h"

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

/// Where gradients of parameters go.
/// Shapes: values [flat_size], laid out as the parameters.
struct GradientSink {
  float* values;
  bool accumulate;  ///< added to what is there, else overwritten

  Store store() const { return accumulate ? Store::kAccumulate : Store::kOverwrite; }
};

/// Owned by the model; its parts keep a reference. Single-owner.
struct PassContext {
  /// `packed_words`: room for the widest operand of a weight's gradient, packed; 0 without a backward pass.
  PassContext(Compute& threads, const PassShape& pass_shape, size_t packed_words);
  PassContext(const PassContext&) = delete;
  PassContext& operator=(const PassContext&) = delete;

  const float* parameter(size_t offset) const { return parameters + offset; }

  /// Shows a tensor to the probe, if there is one.
  /// Shapes: values [rows, columns].
  void show(std::string_view name, float* values, int64_t rows, int64_t columns = 1) const;
  void show(std::string_view name, const Operand& kept, int64_t rows, int64_t columns) const;
  /// Rows `ld` elements apart.
  void show(std::string_view name, const Operand& kept, int64_t rows, int64_t columns, int64_t ld) const;

  Compute& compute;
  const ModelConfig config;
  const PassShape shape;                    // of config
  const int64_t M;                          // positions
  const float* parameters = nullptr;        // in use
  const std::optional<RotaryTable> rotary;  // positions, where they are not learned
  PackedMatrix packed_gradient;             // scratch: an operand packed for the gradient of a weight
  CausalAttention attention;                // scratch that the blocks of all layers use one after the other
  PassSeconds seconds;
  TensorProbe probe;
};

}  // namespace pretrain
