// SPDX-License-Identifier: Apache-2.0
#pragma once
// Gradient descent, with momentum or without: an optimizer with one state tensor for each parameter tensor, or
// none. It shows that the program works with another optimizer than its own.

#include <memory>
#include <vector>

#include <fmt/format.h>

#include "libs/optim/optimizer_set.h"

namespace pretrain::test {

class Sgd : public Optimizer {
 public:
  Sgd(const std::vector<ParameterGroup>& groups, float momentum) : Optimizer(groups), momentum_(momentum) {}

  std::vector<StateTensor> state_tensors() const override {
    std::vector<StateTensor> tensors;
    if (momentum_ == 0) return tensors;
    for (const Updated& u : updated())
      tensors.push_back({fmt::format("momentum.{}", u.tensor.name), u.tensor.shape});
    return tensors;
  }

  /// b = momentum b + scale g;  p -= rate (b + decay p)
  void update(Compute& compute, const UpdateStep& step, const UpdateMemory& memory) const override {
    compute.parallel_for(updated().size(), [&](size_t t) {
      const Updated& u = updated()[t];
      const auto rate = static_cast<float>(step.learning_rate * u.rate_scale);
      const auto scale = static_cast<float>(step.gradient_scale);
      const auto decay = static_cast<float>(u.weight_decay);
      for (size_t i = 0; i < u.tensor.size; ++i) {
        float change = scale * memory.gradients[u.tensor.offset + i];
        if (momentum_ != 0) change = memory.state[t][i] = momentum_ * memory.state[t][i] + change;
        float& p = memory.parameters[u.tensor.offset + i];
        p -= rate * (change + decay * p);
      }
    });
  }

 private:
  float momentum_;
};

/// Matrices by Sgd with momentum, all others by AdamW.
inline Optimizers sgd_and_adamw(const ParameterLayout& layout, float momentum) {
  ParameterGroup matrices{.tensors = {}, .weight_decay = 0.25, .rate_scale = 2};
  ParameterGroup others;
  for (const ParameterInfo& tensor : layout.tensors())
    (tensor.decays ? matrices : others).tensors.push_back(tensor);
  Optimizers optimizers;
  optimizers.push_back(std::make_unique<Sgd>(std::vector{matrices}, momentum));
  optimizers.push_back(std::make_unique<AdamW>(std::vector{others}, AdamWOptions()));
  return optimizers;
}

}  // namespace pretrain::test
