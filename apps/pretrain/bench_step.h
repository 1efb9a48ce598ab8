#pragma once
// Whole training steps of a model, timed beside the machine's multiply-add rate of the same moment.

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/stop.h"
#include "libs/model/config.h"
#include "libs/model/memory_plan.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/precision.h"

namespace pretrain {

/// How long the machine is looked at between two measurements.
constexpr std::chrono::milliseconds kShortLook{20};

double seconds_of(const std::function<void()>& work);
/// Requires: not empty.
double median(std::vector<double> values);

/// What is measured.
struct BenchModel {
  ModelConfig config;
  int64_t batch_rows;
  Precision precision;

  int64_t micro_rows() const {
    constexpr int64_t kMicroBatchTokens = 2048;
    return micro_batch_rows(batch_rows, config.context, kMicroBatchTokens);
  }
};

/// Medians over `steps` steps, in seconds, with what they are shares of. Errors: Stopped.
nlohmann::json measure_step(Compute& compute, const BenchModel& model, int steps, const StopSignal& stop);

/// All threads beside one, by turns, and what would bound more of them. Errors: Stopped.
nlohmann::json measure_scaling(Compute& all, const BenchModel& model, int steps, const StopSignal& stop);

/// Steps of two layers of the model with one size at a time changed: width, context, batch, vocabulary.
/// An array of {"varied", "value", ...} in the order of the values. Errors: Stopped.
nlohmann::json measure_sweep(Compute& compute, const BenchModel& model, int steps, const StopSignal& stop);

}  // namespace pretrain
