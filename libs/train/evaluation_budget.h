// SPDX-License-Identifier: Apache-2.0
#pragma once
// Limits the time for evaluations in a session with a time limit, because training comes first.
// Thread-compatible.

#include <chrono>
#include <cstdint>

namespace pretrain {

/// Seconds that evaluations before the last one may still take; infinity without a limit.
/// Units: `spent_seconds` on evaluations so far, of a session of `max_time` (0: no limit).
double evaluation_seconds_left(std::chrono::milliseconds max_time, double spent_seconds);

/// Estimates the time of an evaluation from its first parts.
class EvaluationForecast {
 public:
  /// `parts`: that take about the same time each.
  EvaluationForecast(double most_seconds, uint64_t parts) : most_seconds_(most_seconds), parts_(parts) {}

  /// One more part is done, at this time since the start. False if the whole would take longer than allowed
  /// and must be aborted.
  [[nodiscard]] bool goes_on(double elapsed_seconds);
  /// Of the whole evaluation.
  double expected_seconds() const { return expected_seconds_; }

 private:
  double most_seconds_;
  uint64_t parts_;
  uint64_t done_ = 0;
  double expected_seconds_ = 0;
};

}  // namespace pretrain
