// SPDX-License-Identifier: Apache-2.0
#pragma once
// AdamW: Adam with weight decay apart from the gradient.
// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", algorithm 2.

#include <vector>

#include "libs/optim/optimizer.h"

namespace pretrain {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.99;  ///< small batches want a longer memory than the 0.95 of large-batch recipes
  double epsilon = 1e-8;
};

/// The decay of the second moment after which half of a gradient's weight is left once so many tokens have passed.
/// What a batch means changes with its size, what a token means does not: smaller batches want a longer memory in steps.
/// Source: Marek et al., "Small Batch Size Training for Language Models", section 3.3.
double beta2_of_half_life(double tokens_of_step, double half_life_tokens);

/// Keeps two moments of each tensor: "m.NAME" and "v.NAME".
class AdamW : public Optimizer {
 public:
  AdamW(const std::vector<ParameterGroup>& groups, const AdamWOptions& options);

  std::vector<StateTensor> state_tensors() const override;
  void update(Compute& compute, const UpdateStep& step, const UpdateMemory& memory) const override;

 private:
  /// A part of one tensor that one task updates.
  struct Piece {
    size_t tensor;  // in updated()
    size_t begin, size;
  };

  AdamWOptions options_;
  std::vector<Piece> pieces_;
};

}  // namespace pretrain
