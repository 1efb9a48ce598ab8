// SPDX-License-Identifier: Apache-2.0
#include "tests/learning/trial.h"

#include <algorithm>
#include <ctime>

#include "libs/model/initialization.h"

namespace pretrain::learning {
namespace {

RunConfiguration with_vocabulary(RunConfiguration config, const Text& text) {
  config.model.vocabulary = text.tokenizer->vocabulary_size();
  return config;
}

/// Processor time of all threads so far.
double processor_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

}  // namespace

Trial::Trial(Compute& compute, const RunConfiguration& config, const Text& text, uint64_t seed)
    : config_(with_vocabulary(config, text)),
      text_(text),
      seed_(seed),
      threads_(compute.threads()),
      model_(compute, {.config = config_.model,
                       .rows = config_.trainer.micro_rows,
                       .recompute = config_.trainer.recompute,
                       .precision = config_.trainer.precision}),
      parameters_(model_.layout().flat_size()),
      optimizer_(compute, model_.layout(), make_optimizers(model_.layout(), config_.trainer.optimizer)),
      pass_(compute, model_),
      batches_(config_.trainer.accumulate) {
  initialize_parameters(compute, model_.layout(), seed, parameters_.data(), config_.trainer.output_start);
  model_.use_parameters(parameters_.data());
}

double Trial::step() {
  const double start = processor_seconds();
  ++step_;
  batches_.resize(config_.trainer.batches_of(step_));
  for (Batch& batch : batches_) batch = text_.rows->batch(seed_, taken_++, config_.batch);
  const StepResult result = pass_.run(batches_);
  if (result.finite) {
    const double clip = config_.trainer.optimizer.gradient_clip;
    optimizer_.update({.learning_rate = config_.trainer.schedule.at(step_),
                       .gradient_scale = clipping_scale(result.gradient_norm, clip)},
                      pass_.gradients(), parameters_.data());
    model_.use_parameters(parameters_.data());
  }
  seconds_.push_back((processor_seconds() - start) / threads_);
  return result.loss;
}

EvaluationResult Trial::evaluate() {
  return pretrain::evaluate(model_, text_.evaluation, {});
}

uint64_t steps_within(double seconds, const StepCost& cost, const BatchRamp& ramp) {
  uint64_t step = 0;
  while (step < ramp.steps) {
    const double share = ramp.most > 1 ? (ramp.at(step + 1) - 1.0) / (ramp.most - 1.0) : 1;
    seconds -= cost.one + share * (cost.most - cost.one);
    if (seconds < 0) return std::max<uint64_t>(1, step);
    ++step;
  }
  return std::max<uint64_t>(1, step + static_cast<uint64_t>(seconds / cost.most));
}

double quiet_seconds(std::vector<double> step_seconds) {
  const auto tenth = static_cast<int64_t>(step_seconds.size() / 10);
  std::nth_element(step_seconds.begin(), step_seconds.begin() + tenth, step_seconds.end());
  return step_seconds[static_cast<size_t>(tenth)];
}

std::vector<double> relative_seconds(const std::vector<std::vector<double>>& rounds) {
  std::vector<double> relative;
  for (size_t recipe = 0; recipe < rounds.front().size(); ++recipe) {
    std::vector<double> ratios;
    for (const std::vector<double>& round : rounds) ratios.push_back(round[recipe] / round[0]);
    const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
    std::ranges::nth_element(ratios, middle);
    relative.push_back(*middle);
  }
  return relative;
}

}  // namespace pretrain::learning
