// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the gradient of a step is made: in this process alone, or together with other machines (libs/world). The
// trainer hands out the batches of a step and gets their loss and gradient; it need not know by how many.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libs/data/batch.h"
#include "libs/model/transformer.h"
#include "libs/optim/optimizer_set.h"
#include "libs/train/observer.h"
#include "libs/train/step.h"

namespace pretrain {

/// What every machine of a run has: the model and its state, which each of them updates by itself. References must
/// outlive it.
struct Replica {
  Compute& compute;
  Transformer& model;
  std::span<float> parameters;  ///< as in the layout
  OptimizerSet& optimizer;
  GradientPass& pass;
  double gradient_clip = 0;
};

/// Updates parameters and moments by the gradient of `replica.pass`. The model gets the new parameters with
/// use_parameters().
/// Requires: the result is finite.
void update(const Replica& replica, const StepResult& result, double learning_rate);

/// A step to make. The batches must stay unchanged until it is made.
struct StepOrder {
  uint64_t step = 0;
  double learning_rate = 0;
  std::span<const Batch> batches;
};

/// A step that was made, without its gradient: what a run needs to count it.
struct MadeStep {
  uint64_t step = 0;
  uint64_t targets = 0, batch_hash = 0;
  double loss = 0, gradient_norm = 0;
  bool finite = true;

  bool operator==(const MadeStep&) const = default;
};

/// Single-owner.
class StepMaker {
 public:
  virtual ~StepMaker() = default;

  /// The loss of the batches; their gradient is in the replica's pass then. `on_progress` is called after each part of
  /// the work.
  /// Errors: Stopped, before anything was made.
  virtual StepResult make(const StepOrder& order, const std::function<void()>& on_progress) = 0;
  /// Parameters or moments were replaced, as by a checkpoint. `state`: state_id() when it was saved; 0: not known.
  virtual void note_replaced_state(uint64_t /*state*/) {}
  /// By which other machines of the run know the current state; 0 in a run that shares no steps.
  virtual uint64_t state_id() const { return 0; }
  /// The state of this step is safe on disk.
  virtual void note_saved(uint64_t /*step*/) {}

  /// The steps that other machines have made from the current state on, which is that after `step`, before this process
  /// started; empty when none has. They are in order; those that the user wants skipped are missing.
  /// Errors: Stopped.
  virtual std::vector<MadeStep> find_newer_steps(uint64_t /*step*/,
                                                 const std::function<void()>& /*on_progress*/) {
    return {};
  }
  /// Replaces parameters and moments by those after the steps of find_newer_steps(). False when that failed and they
  /// are a mixture.
  /// Errors: Stopped.
  virtual bool take_newer_state() { return false; }
  /// The run has ended as it should. `reason` is for the user of another machine.
  virtual void end(const std::string& /*reason*/) {}
};

using OnMachine = std::function<void(const MachineEvent&)>;
/// Makes the maker of a run. `on_machine` is called on the trainer's thread.
using StepMakerOpener = std::function<std::unique_ptr<StepMaker>(const Replica&, OnMachine on_machine)>;

/// Makes steps in this process alone.
class OwnSteps : public StepMaker {
 public:
  explicit OwnSteps(GradientPass& pass) : pass_(pass) {}

  StepResult make(const StepOrder& order, const std::function<void()>& on_progress) override {
    return pass_.run(order.batches, on_progress);
  }

 private:
  GradientPass& pass_;
};

}  // namespace pretrain
