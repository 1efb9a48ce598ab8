// SPDX-License-Identifier: Apache-2.0
#pragma once
// The report of runs: the data that the page shows, and the same in words. Pure functions.

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/pretrain/run_view.h"

namespace pretrain {

struct ReportOptions {
  size_t points = 600;  ///< of each curve
  bool samples = true;
};

using RunViews = std::vector<std::unique_ptr<RunView>>;

/// What the page needs of each run, with all numbers that it shows.
nlohmann::json report_data(const RunViews& runs, const ReportOptions& options);

/// A paragraph for each run: state, losses, speed, first and last sample. Not escaped for markup.
std::string report_summary(const RunViews& runs);

/// The keys of a step's record that the page draws.
const std::vector<std::string>& drawn_keys();

}  // namespace pretrain
