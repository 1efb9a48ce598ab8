// SPDX-License-Identifier: Apache-2.0
#pragma once
// Decides when to show the status of a run. Single-owner.

#include <algorithm>
#include <chrono>
#include <optional>

#include "libs/base/log.h"

namespace pretrain {

class StatusPace {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `live`: the line is redrawn in place.
  StatusPace(bool live, LogPlace place)
      : interval_(live ? std::chrono::milliseconds(200) : std::chrono::seconds(10)),
        grows_(!live && place == LogPlace::kJournal) {}

  /// Whether a line is due. If so, it counts as shown.
  bool is_due(Time now) {
    if (last_ && now - *last_ < interval_) return false;
    // Under a service manager, lines become less frequent: it stores every line and already shows the current
    // status.
    if (grows_) interval_ = std::min<std::chrono::milliseconds>(2 * interval_, std::chrono::hours(1));
    last_ = now;
    return true;
  }

 private:
  std::chrono::milliseconds interval_;
  bool grows_;
  std::optional<Time> last_;
};

}  // namespace pretrain
