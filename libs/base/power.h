// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the machine tells of its power supply and heat: battery, energy counters of the processor, and how
// often it slowed down because it was hot. Linux shows them as files; tests pass another root folder. Reading
// never fails: what the machine does not show is absent.

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "libs/base/file.h"

namespace pretrain {

/// Whether the machine runs on its battery: it has a power supply that is not a battery, and none of them is
/// connected. False where there is none, as on a desktop. Thread-safe.
bool runs_on_battery(const Path& root = "/");

/// How often the cores slowed down because of heat since the machine started. Thread-safe.
std::optional<uint64_t> throttle_count(const Path& root = "/");

/// Sums up the energy of the processor's packages, whatever runs on them. The counters start again from 0
/// within minutes, so update() must be called at least each minute. Single-owner.
class EnergyMeter {
 public:
  explicit EnergyMeter(const Path& root = "/");

  /// Reads the counters.
  void update(std::chrono::steady_clock::time_point now);
  /// Since the constructor; nothing when the counters can't be read, which usually only root may do.
  std::optional<double> joules() const;
  /// Between the last two updates.
  std::optional<double> watts() const { return watts_; }

 private:
  struct Counter {
    Path file;
    uint64_t range = 0;  // after which it starts again, in microjoules
    uint64_t last = 0;
  };

  std::vector<Counter> counters_;
  double joules_ = 0;
  std::optional<double> watts_;
  std::optional<std::chrono::steady_clock::time_point> last_update_;
};

}  // namespace pretrain
