// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an optimizer is: a rule that updates some parameter tensors of a model and says which tensors it keeps
// between updates. It owns no memory for these, so one can be made to plan memory. OptimizerSet
// (optimizer_set.h) owns the state and calls the optimizers of a run.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libs/model/parameters.h"
#include "libs/tensor/compute.h"

namespace pretrain {

/// Parameter tensors that one optimizer updates with the same settings.
struct ParameterGroup {
  std::vector<ParameterInfo> tensors;
  double weight_decay = 0;  ///< share of a parameter that an update takes away, times the learning rate
  double rate_scale = 1;    ///< factor on the learning rate of the step
  /// Whether only elements decay that the update does not move away from zero.
  /// Source: Chen et al., "Cautious Weight Decay", algorithm 1.
  bool cautious_decay = false;
};

/// A tensor that an optimizer keeps between updates. It starts as zeros.
struct StateTensor {
  std::string name;  ///< in a checkpoint, such as "m.transformer.wte.weight"
  std::vector<int64_t> shape;
  bool may_be_negative = true;  ///< else a checkpoint with a negative element is refused

  size_t size() const;  ///< elements
};

/// The numbers of one update that all optimizers of a run share.
struct UpdateStep {
  uint64_t number = 1;  ///< of this update, counted from 1
  double learning_rate = 0;
  double gradient_scale = 1;  ///< the clipping factor
};

/// What one update works on.
struct UpdateMemory {
  const float* gradients;         ///< as in the layout
  float* parameters;              ///< as in the layout
  std::span<float* const> state;  ///< state[i] has the elements of state_tensors()[i]
  float* scratch;                 ///< scratch_floats()
};

/// Single-owner.
class Optimizer {
 public:
  /// Requires: no tensor is in two groups.
  explicit Optimizer(const std::vector<ParameterGroup>& groups);
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// A parameter tensor with the settings of its group.
  struct Updated {
    ParameterInfo tensor;
    double weight_decay, rate_scale;
    bool cautious_decay;
  };
  /// All tensors of all groups, in the order of the flat array.
  const std::vector<Updated>& updated() const { return updated_; }

  /// What it keeps between updates. Names start with what the tensor is and end with the parameter's name.
  virtual std::vector<StateTensor> state_tensors() const = 0;

  /// Floats that an update by so many threads works with and that it need not keep.
  virtual size_t scratch_floats(int threads) const;

  /// Updates its tensors in the flat arrays, and its state. An implementation takes nothing from the heap.
  /// Repeatability: the same bits for any number of threads.
  virtual void update(Compute& compute, const UpdateStep& step, const UpdateMemory& memory) const = 0;

 private:
  std::vector<Updated> updated_;
};

}  // namespace pretrain
