// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model with parameters, inputs and targets, all from a seed, and its gradients by the fast model.

#include <vector>

#include "libs/base/rng.h"
#include "libs/model/initialization.h"
#include "libs/model/transformer.h"

namespace pretrain::test {

/// Odd sizes on purpose: nothing is a multiple of a vector, a panel or a tile.
inline ModelConfig odd_model() {
  return {.layers = 2, .d_model = 24, .heads = 3, .d_ff = 40, .vocabulary = 71, .context = 9};
}

struct Problem {
  explicit Problem(const ModelConfig& model, int64_t row_count, uint64_t seed = 5)
      : config(model), layout(model), rows(row_count), values(layout.flat_size()) {
    Compute compute(1);
    initialize_parameters(compute, layout, seed, values.data());
    Rng rng(seed);
    // Biases and gains away from 0 and 1, so that their gradients are tested where they matter.
    for (const ParameterInfo& tensor : layout.tensors()) {
      for (size_t i = 0; i < tensor.size && tensor.initial_std == 0; ++i) {
        values[tensor.offset + i] += 0.1F * static_cast<float>(rng.normal());
      }
      for (size_t i = 0; i < tensor.size && tensor.initial_std > 0; ++i) values[tensor.offset + i] *= 10;
    }
    for (int64_t i = 0; i < rows * config.context; ++i) {
      inputs.push_back(static_cast<uint32_t>(rng.below(static_cast<uint64_t>(config.vocabulary))));
      targets.push_back(
          rng.below(7) == 0 ? -1 : static_cast<int32_t>(rng.below(static_cast<uint64_t>(config.vocabulary))));
    }
  }
  std::vector<double> as_double() const { return {values.data(), values.data() + values.size()}; }

  ModelConfig config;
  ParameterLayout layout;
  int64_t rows;
  Buffer<float> values;
  std::vector<uint32_t> inputs;
  std::vector<int32_t> targets;
};

inline std::vector<float> gradients_of(const Problem& p, int threads, int64_t micro_rows, float scale,
                                       double* loss = nullptr, Recompute recompute = Recompute::kCheap,
                                       Precision precision = Precision::kFloat32) {
  Compute compute(threads);
  Transformer model(compute, {p.config, micro_rows, true, recompute, precision});
  model.use_parameters(p.values.data());
  std::vector<float> gradients(p.layout.flat_size());
  double total = 0;
  for (int64_t row = 0; row < p.rows; row += micro_rows) {
    const int64_t at = row * p.config.context;
    total +=
        model.forward_backward(p.inputs.data() + at, p.targets.data() + at, scale, row > 0, gradients.data());
  }
  if (loss != nullptr) *loss = total;
  return gradients;
}

}  // namespace pretrain::test
