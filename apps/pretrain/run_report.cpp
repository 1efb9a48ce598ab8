// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_report.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "apps/pretrain/run_json.h"
#include "apps/pretrain/version.h"
#include "libs/base/quantity.h"
#include "libs/base/text.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

using Json = nlohmann::json;

std::string loss_words(const Json& run, const char* key) {
  return run[key].is_number() ? fmt::format("{:.4f}", run[key].get<double>()) : "not known";
}

std::string seconds_words(const Json& seconds) {
  if (!seconds.is_number()) return "no time";
  return format_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(seconds.get<double>())));
}

/// First and last sample, each on a line of its own.
std::string sample_words(const RunView& run) {
  constexpr size_t kAll = 10'000;
  const Json samples = run_samples(run, UINT64_MAX, kAll);
  if (samples.empty()) return "";
  std::string words;
  const auto add = [&](const Json& sample) {
    words += fmt::format("  sample of step {}: {}{}\n", format_count(sample["step"].get<uint64_t>()),
                         printable(sample["prompt"].get<std::string>()),
                         printable(sample["text"].get<std::string>()));
  };
  add(samples.back());
  if (samples.size() > 1) add(samples.front());
  return words;
}

std::string paragraph(const RunView& view) {
  const Json run = run_summary(view);
  std::string words =
      fmt::format("{}: {} at step {}, {} tokens, {} of training\n", run["name"].get<std::string>(),
                  run["phase"].get<std::string>(), format_count(run["step"].get<uint64_t>()),
                  format_count(run["tokens"].get<uint64_t>()), seconds_words(run["trained_seconds"]));
  words += fmt::format("  loss {}, validation loss {} (best {}), bits per byte {}\n", loss_words(run, "loss"),
                       loss_words(run, "validation_loss"), loss_words(run, "best_validation_loss"),
                       loss_words(run, "bits_per_byte"));
  if (run["tokens_per_second"].is_number())
    words += fmt::format("  {}\n", format_rate(run["tokens_per_second"].get<double>()));
  if (!view.problem().empty()) words += fmt::format("  problem: {}\n", printable(view.problem()));
  return words + sample_words(view);
}

/// Only what the page shows of an event.
Json shown_events(const RunView& run) {
  constexpr size_t kMost = 1000;
  Json events = Json::array();
  for (const Json& event : run_events(run, {.limit = kMost}))
    events.push_back(
        {{"kind", event["kind"]}, {"step", event["step"]}, {"text", event["text"]}, {"time", event["time"]}});
  return events;
}

}  // namespace

const std::vector<std::string>& drawn_keys() {
  static const std::vector<std::string> kKeys{
      "loss",      "tokens_per_second", "flops_utilization", "learning_rate",
      "grad_norm", "data_wait_seconds", "sequence_buffer",   "resident_bytes",
      "watts"};
  return kKeys;
}

Json report_data(const RunViews& runs, const ReportOptions& options) {
  constexpr size_t kSamples = 200;
  Json list = Json::array();
  for (const auto& run : runs) {
    Json json = run_details(*run);
    json["series"] = run_series(*run, {.keys = drawn_keys(), .points = options.points});
    json["events"] = shown_events(*run);
    json["samples"] = options.samples ? run_samples(*run, UINT64_MAX, kSamples) : Json::array();
    list.push_back(std::move(json));
  }
  return {{"version", program_version()}, {"made", std::round(current_time())}, {"runs", std::move(list)}};
}

std::string report_summary(const RunViews& runs) {
  std::string words;
  for (const auto& run : runs) words += paragraph(*run) + "\n";
  return words;
}

}  // namespace pretrain
