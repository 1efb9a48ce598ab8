// SPDX-License-Identifier: Apache-2.0
#pragma once
// The optimizers of a run with their state. Which optimizer updates which parameters is decided in one place,
// make_optimizers(); memory plan, checkpoint and benchmark ask for the state and know no optimizer by name.
//
// Usage:
//   OptimizerSet optimizer(compute, layout, make_optimizers(layout, options));
//   optimizer.update({.learning_rate = 1e-3, .gradient_scale = 1}, gradients, parameters);

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libs/base/enum_table.h"
#include "libs/optim/adamw.h"
#include "libs/optim/muon.h"
#include "libs/optim/optimizer.h"
#include "libs/tensor/buffer.h"

namespace pretrain {

enum class OptimizerKind {
  kAdamW,  ///< of all tensors
  kMuon,   ///< of hidden matrices; AdamW of the embeddings, the head, biases and norms
};
constexpr EnumName<OptimizerKind> kOptimizers[] = {{OptimizerKind::kAdamW, "adamw"},
                                                   {OptimizerKind::kMuon, "muon"}};
static_assert(is_in_order(kOptimizers));

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  double weight_decay = 0.1;   ///< of matrices only
  double gradient_clip = 1.0;  ///< largest global norm; 0: no clipping
  bool cautious_decay = false;
  AdamWOptions adamw;
  MuonOptions muon;
};

using Optimizers = std::vector<std::unique_ptr<Optimizer>>;

/// Decides which optimizer updates which tensors. AdamW has a group that decays and one that does not.
Optimizers make_optimizers(const ParameterLayout& layout, const OptimizerOptions& options);

/// Bytes of the state of these, as a checkpoint has it.
uint64_t optimizer_state_bytes(const Optimizers& optimizers);

/// Bytes that an OptimizerSet allocates for these: their state, and scratch for so many threads.
uint64_t optimizer_memory_bytes(const Optimizers& optimizers, int threads);

/// Single-owner.
class OptimizerSet {
 public:
  /// All state starts as zeros.
  /// Requires: each tensor of the layout belongs to exactly one optimizer; names of state tensors are unique.
  OptimizerSet(Compute& compute, const ParameterLayout& layout, Optimizers optimizers);

  struct Step {
    double learning_rate = 0;
    double gradient_scale = 1;  ///< the clipping factor
  };
  /// One update of all parameters.
  /// Shapes: both arrays as in the layout.
  void update(const Step& step, const float* gradients, float* parameters);

  /// Updates so far, those before a resume included.
  uint64_t updates() const { return updates_; }
  void set_updates(uint64_t updates) { updates_ = updates; }

  /// A state tensor and its elements.
  struct State {
    StateTensor tensor;
    std::span<float> values;
  };
  /// The state of all optimizers, in the order of a checkpoint.
  const std::vector<State>& state() const { return state_; }

 private:
  struct Member {
    std::unique_ptr<Optimizer> optimizer;
    Buffer<float> memory = {};       // of all its state tensors
    std::vector<float*> state = {};  // where each of them is
  };
  void add(std::unique_ptr<Optimizer> optimizer);

  Compute& compute_;
  Buffer<float> scratch_;  // of one optimizer after the other
  std::vector<Member> members_;
  std::vector<State> state_;
  uint64_t updates_ = 0;
};

}  // namespace pretrain
