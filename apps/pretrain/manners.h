// SPDX-License-Identifier: Apache-2.0
#pragma once
// When a run may train on a machine that others use: within hours of the day, and not on battery.

#include <chrono>
#include <ctime>
#include <string>

#include "libs/base/file.h"
#include "libs/train/run_control.h"

namespace pretrain {

/// Hours of the day, in the machine's time zone.
struct ActiveHours {
  int begin_minute = 0, end_minute = 0;  ///< of the day; equal: always

  bool always() const { return begin_minute == end_minute; }
  /// Whether the local time lies in them; the end does not. They may include midnight.
  bool contain(const std::tm& local) const;
};

/// Reads "20:00-08:00".
/// Errors: kUsage with "must be ... (got ...)".
ActiveHours read_active_hours(const std::string& text);
/// The same text; "" for always.
std::string write_active_hours(const ActiveHours& hours);

enum class OnBattery { kContinue, kPause };

struct MannersOptions {
  ActiveHours hours;
  OnBattery on_battery = OnBattery::kContinue;
};

/// Pauses a run and ends the pause, when the time of day or the power supply changes. A pause that the user
/// ends does not come back before the next change. Single-owner.
class Manners {
 public:
  Manners(RunControl& control, const MannersOptions& options, Path root = "/");

  /// Whether there is anything to look at.
  bool any() const { return !options_.hours.always() || options_.on_battery == OnBattery::kPause; }
  /// To be called each few seconds.
  void look(std::chrono::system_clock::time_point now);

 private:
  void pause_if(bool wanted, bool& paused, PauseReason reason);

  RunControl& control_;
  MannersOptions options_;
  Path root_;
  bool outside_hours_ = false, on_battery_ = false;  // as seen last
};

}  // namespace pretrain
