// SPDX-License-Identifier: Apache-2.0
#pragma once
// A run as JSON, for the page of the report and the dashboard, and for programs: the answers of /api/v1.
// Numbers that are not known are null. Times are seconds since 1970. Pure functions.

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/pretrain/run_view.h"

namespace pretrain {

/// The state of a run in about forty numbers.
nlohmann::json run_summary(const RunView& run);

/// The summary with configuration, machine, checkpoints, skips, sessions and the time by activity.
nlohmann::json run_details(const RunView& run);

struct SeriesRequest {
  std::vector<std::string> keys;  ///< of kCurveKeys; empty: all
  uint64_t from = 0;              ///< steps, both included
  uint64_t to = std::numeric_limits<uint64_t>::max();
  size_t points = 1000;
};

/// Curves on one grid of steps, with the least and greatest value where they differ from the mean, and the
/// evaluations.
/// Errors: kUsage for an unknown key, naming the known ones.
nlohmann::json run_series(const RunView& run, const SeriesRequest& request);

struct EventsRequest {
  std::set<std::string> kinds;                             ///< empty: all
  uint64_t before = std::numeric_limits<uint64_t>::max();  ///< only of earlier steps
  size_t limit = 100;
};

/// All records but those of steps and samples, newest first, each with a `text` for the user.
nlohmann::json run_events(const RunView& run, const EventsRequest& request);

/// Samples, newest first. Of a long one the beginning.
nlohmann::json run_samples(const RunView& run, uint64_t before, size_t limit);

/// The number with as many significant digits as the page shows.
double rounded(double value, int digits = 5);

}  // namespace pretrain
