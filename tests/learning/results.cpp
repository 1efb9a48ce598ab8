// SPDX-License-Identifier: Apache-2.0
#include "tests/learning/results.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/number.h"

namespace pretrain::learning {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<Outcome> parse_row(std::string_view line) {
  const std::vector<std::string> cells = split(line, ',');
  if (cells.size() != 8) return std::nullopt;
  const auto seed = parse_number<uint64_t>(cells[1]);
  const auto budget = parse_number<double>(cells[2]);
  const auto steps = parse_number<uint64_t>(cells[3]);
  const auto quiet = parse_number<double>(cells[4]);
  const auto tokens = parse_number<uint64_t>(cells[5]);
  const auto parameters = parse_number<uint64_t>(cells[6]);
  const auto bits = parse_number<double>(cells[7]);
  if (!seed || !budget || !steps || !quiet || !tokens || !parameters || !bits) return std::nullopt;
  return Outcome{cells[0], *seed, *budget, *steps, *quiet, *tokens, *parameters, *bits};
}

Summary summary_of(const std::vector<Outcome>& trials) {
  Summary s{.recipe = trials.front().recipe,
            .budget_seconds = trials.front().budget_seconds,
            .seeds = trials.size(),
            .steps = trials.front().steps,
            .quiet_step_seconds = trials.front().quiet_step_seconds};
  double least = trials.front().bits_per_byte, most = least;
  for (const Outcome& trial : trials) {
    s.mean += trial.bits_per_byte / static_cast<double>(trials.size());
    least = std::min(least, trial.bits_per_byte);
    most = std::max(most, trial.bits_per_byte);
  }
  s.spread = most - least;
  return s;
}

std::string difference_text(const Summary& s, const Summary* baseline) {
  if (baseline == nullptr || baseline->recipe == s.recipe) return "";
  const std::string difference = fmt::format("{:+.4f}", s.mean - baseline->mean);
  return difference + (differs_clearly(s, *baseline) ? ", clear" : "");
}

}  // namespace

std::string csv_header() {
  return "recipe,seed,budget_seconds,steps,quiet_step_seconds,tokens,parameters,bits_per_byte\n";
}

std::string to_csv(const Outcome& o) {
  return fmt::format("{},{},{},{},{},{},{},{}\n", o.recipe, o.seed, o.budget_seconds, o.steps,
                     o.quiet_step_seconds, o.tokens, o.parameters, o.bits_per_byte);
}

std::vector<Outcome> parse_csv(std::string_view text, const std::string& file) {
  std::vector<Outcome> outcomes;
  size_t number = 0;
  for (const std::string& line : split(text, '\n')) {
    if (++number == 1 || line.empty()) continue;
    const auto outcome = parse_row(line);
    if (!outcome) fail(ErrorKind::kData, "{}, line {}: not a trial; delete the line", file, number);
    outcomes.push_back(*outcome);
  }
  return outcomes;
}

std::vector<Summary> summarize(const std::vector<Outcome>& outcomes) {
  std::vector<std::string> order;
  std::map<std::pair<double, size_t>, std::vector<Outcome>> groups;
  for (const Outcome& outcome : outcomes) {
    auto found = std::ranges::find(order, outcome.recipe);
    if (found == order.end()) found = order.insert(order.end(), outcome.recipe);
    groups[{outcome.budget_seconds, static_cast<size_t>(found - order.begin())}].push_back(outcome);
  }
  std::vector<Summary> summaries;
  for (const auto& [_, trials] : groups) summaries.push_back(summary_of(trials));
  return summaries;
}

bool differs_clearly(const Summary& a, const Summary& b) {
  if (a.seeds < 2 || b.seeds < 2) return false;
  return std::abs(a.mean - b.mean) > 2 * std::max(a.spread, b.spread);
}

std::string to_table(const std::vector<Summary>& summaries, const std::string& baseline) {
  std::string table =
      "| seconds | recipe | steps | ms a step | bits per byte | spread | seeds | difference |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Summary& s : summaries) {
    const auto base = std::ranges::find_if(summaries, [&](const Summary& other) {
      return other.recipe == baseline && other.budget_seconds == s.budget_seconds;
    });
    table += fmt::format("| {:g} | {} | {} | {:.2f} | {:.4f} | {} | {} | {} |\n", s.budget_seconds, s.recipe,
                         s.steps, 1e3 * s.quiet_step_seconds, s.mean,
                         s.seeds > 1 ? fmt::format("{:.4f}", s.spread) : "", s.seeds,
                         difference_text(s, base == summaries.end() ? nullptr : &*base));
  }
  return table;
}

}  // namespace pretrain::learning
