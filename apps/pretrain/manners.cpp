// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/manners.h"

#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/number.h"
#include "libs/base/power.h"

namespace pretrain {
namespace {

constexpr int kMinutesOfDay = 24 * 60;

/// Minutes of "08:30"; nothing for another text.
std::optional<int> minute_of(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon > 2 || text.size() != colon + 3)
    return std::nullopt;
  const auto hour = parse_number<unsigned>(text.substr(0, colon));
  const auto minute = parse_number<unsigned>(text.substr(colon + 1));
  if (!hour || !minute || *minute > 59 || *hour > 24 || (*hour == 24 && *minute > 0)) return std::nullopt;
  return static_cast<int>(*hour * 60 + *minute) % kMinutesOfDay;
}

}  // namespace

bool ActiveHours::contain(const std::tm& local) const {
  if (always()) return true;
  const int now = local.tm_hour * 60 + local.tm_min;
  if (begin_minute < end_minute) return now >= begin_minute && now < end_minute;
  return now >= begin_minute || now < end_minute;
}

ActiveHours read_active_hours(const std::string& text) {
  const size_t dash = text.find('-');
  if (dash != std::string::npos) {
    const auto begin = minute_of(std::string_view(text).substr(0, dash));
    const auto end = minute_of(std::string_view(text).substr(dash + 1));
    if (begin && end) return {.begin_minute = *begin, .end_minute = *end};
  }
  fail(ErrorKind::kUsage, "must be two times of the day, such as 20:00-08:00 (got {})", text);
}

std::string write_active_hours(const ActiveHours& hours) {
  if (hours.always()) return "";
  return fmt::format("{:02}:{:02}-{:02}:{:02}", hours.begin_minute / 60, hours.begin_minute % 60,
                     hours.end_minute / 60, hours.end_minute % 60);
}

Manners::Manners(RunControl& control, const MannersOptions& options, Path root)
    : control_(control), options_(options), root_(std::move(root)) {}

void Manners::look(std::chrono::system_clock::time_point now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  pause_if(!options_.hours.contain(local), outside_hours_, PauseReason::kHours);
  const bool battery = options_.on_battery == OnBattery::kPause && runs_on_battery(root_);
  pause_if(battery, on_battery_, PauseReason::kBattery);
}

void Manners::pause_if(bool wanted, bool& paused, PauseReason reason) {
  if (wanted == std::exchange(paused, wanted)) return;
  if (wanted) {
    control_.pause(reason);
  } else {
    control_.end_pause(reason);
  }
}

}  // namespace pretrain
