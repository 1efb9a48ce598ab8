// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/record.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace pretrain {
namespace {

/// A key that only records of this kind have. More special kinds come first.
constexpr std::array<std::pair<const char*, std::string_view>, 8> kTelltales{{
    {"skipped_on_request", "skipped_step"},
    {"passed_over_batches", "bad_step"},
    {"returned_from", "returned"},
    {"hardware_fault", "hardware_fault"},
    {"checkpoint_error", "checkpoint_error"},
    {"checkpoint_bytes", "checkpoint"},
    {"validation_loss", "evaluation"},
    {"step_seconds", "step"},
}};

}  // namespace

std::string_view kind_of(const nlohmann::json& record) {
  if (const auto kind = record.find("kind"); kind != record.end() && kind->is_string())
    return kind->get_ref<const std::string&>();
  for (const auto& [key, kind] : kTelltales) {
    if (record.contains(key)) return kind;
  }
  return {};
}

bool outlives_return(std::string_view kind) {
  constexpr std::array<std::string_view, 14> kLasting{
      "session",        "end",          "paused",         "continued",
      "settings",       "returned",     "hardware_fault", "checkpoint_error",
      "machine_joined", "machine_left", "machine_lost",   "machine_wrong",
      "machine_slots",  "throttled"};
  return std::ranges::find(kLasting, kind) != kLasting.end();
}

std::optional<uint64_t> step_of(const nlohmann::json& record) {
  const auto found = record.find("step");
  if (found == record.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

std::optional<double> number_of(const nlohmann::json& record, const char* key) {
  const auto found = record.find(key);
  if (found == record.end() || !found->is_number()) return std::nullopt;
  const double number = found->get<double>();
  return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

std::string text_of(const nlohmann::json& record, const char* key) {
  const auto found = record.find(key);
  return found != record.end() && found->is_string() ? found->get<std::string>() : "";
}

double seconds_since_1970(std::chrono::system_clock::time_point time) {
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  return static_cast<double>(milliseconds) / 1000;
}

}  // namespace pretrain
