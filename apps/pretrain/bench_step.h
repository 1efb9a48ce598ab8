// SPDX-License-Identifier: Apache-2.0
#pragma once
// Times whole training steps of a model. The machine's multiply-add rate is measured just before and after,
// because other programs on the host may slow both down.

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/stop.h"
#include "libs/model/config.h"
#include "libs/model/memory_plan.h"
#include "libs/optim/optimizer_set.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/precision.h"

namespace pretrain {

/// Time for which the multiply-add rate is measured between two steps.
constexpr std::chrono::milliseconds kShortLook{20};

double seconds_of(const std::function<void()>& work);
/// Requires: not empty.
double median(std::vector<double> values);

/// The model to measure.
struct BenchModel {
  ModelConfig config;
  int64_t batch_rows;
  Precision precision;
  OptimizerKind optimizer = OptimizerKind::kAdamW;

  int64_t micro_rows() const {
    constexpr int64_t kMicroBatchTokens = 2048;
    return micro_batch_rows(batch_rows, config.context, kMicroBatchTokens);
  }
};

/// What a training step of the model takes, by the plan that a run makes.
uint64_t planned_bytes(const BenchModel& model, int threads);

/// Medians over `steps` steps, in seconds, and the rates they are compared with.
/// Errors: Stopped.
nlohmann::json measure_step(Compute& compute, const BenchModel& model, int steps, const StopSignal& stop);

/// Compares all threads with one (interleaved) and estimates the scaling limit.
/// Errors: Stopped.
nlohmann::json measure_scaling(Compute& all, const BenchModel& model, int steps, const StopSignal& stop);

/// Measures steps of two layers of the model, changing one size at a time: width, context, batch, vocabulary.
/// Returns an array of {"varied", "value", ...} in the order of the values.
/// Errors: Stopped.
nlohmann::json measure_sweep(Compute& compute, const BenchModel& model, int steps, const StopSignal& stop);

/// Steps of the same sizes in several architectures, interleaved. Returns an array of {"architecture",
/// "parameters", "planned_bytes", ...} in their order.
/// Errors: kUsage when they don't fit into memory together; Stopped.
nlohmann::json measure_architectures(Compute& compute, const std::vector<BenchModel>& models, int steps,
                                     const StopSignal& stop);

}  // namespace pretrain
