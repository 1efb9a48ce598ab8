// SPDX-License-Identifier: Apache-2.0
#pragma once
// What trials brought: one row each in a CSV file, and a table of means with their spread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain::learning {

/// One trial.
struct Outcome {
  std::string recipe;
  uint64_t seed = 0;
  double budget_seconds = 0;  ///< counted: steps times quiet_step_seconds
  uint64_t steps = 0;
  double quiet_step_seconds = 0;
  uint64_t tokens = 0;
  uint64_t parameters = 0;
  double bits_per_byte = 0;  ///< of held-out text, after the last step
};

std::string csv_header();
std::string to_csv(const Outcome& outcome);
/// Errors: kData, naming file and line.
std::vector<Outcome> parse_csv(std::string_view text, const std::string& file);

/// The trials of a recipe under a budget.
struct Summary {
  std::string recipe;
  double budget_seconds = 0;
  double mean = 0;
  double spread = 0;  ///< largest minus smallest over seeds; of one seed not known, and 0
  uint64_t seeds = 0;
  uint64_t steps = 0;
  double quiet_step_seconds = 0;
};

/// By budget, and in the order of the recipes in the outcomes.
std::vector<Summary> summarize(const std::vector<Outcome>& outcomes);

/// Whether a difference means something: more than twice the larger of the two spreads, which are known.
bool differs_clearly(const Summary& a, const Summary& b);

/// A table in Markdown. Differences are to `baseline`, the name of a recipe.
std::string to_table(const std::vector<Summary>& summaries, const std::string& baseline);

}  // namespace pretrain::learning
