// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/service_reporter.h"

#include "apps/pretrain/live_line.h"
#include "libs/base/units.h"

namespace pretrain {

void ServiceReporter::on_ready() {
  extender_.set_active(false);
  service_.ready();
  is_ready_ = true;
}

void ServiceReporter::on_progress() {
  service_.alive();
  extender_.note();
}

void ServiceReporter::on_step(const StepRecord&, const RunSnapshot& run) {
  constexpr std::chrono::seconds kStatusInterval{5};
  const auto now = Clock::now();
  if (last_status_ && now - *last_status_ < kStatusInterval) return;
  last_status_ = now;
  service_.status(service_status(run));
}

/// The next step reports the result.
void ServiceReporter::on_saved(const SaveResult&) {
  last_status_.reset();
}

/// A run that has nothing to train never becomes ready otherwise, which the manager would take for a failed start.
void ServiceReporter::on_finishing(uint64_t step) {
  if (!is_ready_) on_ready();
  extender_.set_active(true);
  service_.stopping();
  service_.status(fmt::format("saving step {}", format_count(step)));
}

}  // namespace pretrain
