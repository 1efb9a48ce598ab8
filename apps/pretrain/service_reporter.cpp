#include "apps/pretrain/service_reporter.h"

#include "libs/base/quantity.h"
#include "libs/base/units.h"

namespace pretrain {

void ServiceReporter::on_ready() {
  extender_.set_active(false);
  service_.ready();
}

void ServiceReporter::on_progress() {
  service_.alive();
  extender_.note();
}

void ServiceReporter::on_step(const StepRecord& record, const SourceStatus&) {
  constexpr std::chrono::seconds kStatusInterval{5};
  const auto now = Clock::now();
  if (last_status_ && now - *last_status_ < kStatusInterval) return;
  last_status_ = now;
  std::string line = fmt::format("step {}, loss {:.3f}{}, {}", format_count(record.step), record.loss,
                                 validation_, format_rate(record.tokens_per_second));
  if (saved_step_) line += fmt::format(", saved at step {}", format_count(*saved_step_));
  service_.status(line + failed_save_);
}

void ServiceReporter::on_evaluation(uint64_t, const EvaluationResult& result) {
  validation_ = fmt::format(", validation {:.3f} ({:.3f} bits per byte)", result.loss, result.bits_per_byte);
}

void ServiceReporter::on_saved(const SaveResult& result) {
  if (result.ok) {
    saved_step_ = result.step;
    failed_save_.clear();
  } else {
    failed_save_ = fmt::format(", checkpoint of step {} failed: {}", format_count(result.step), result.error);
  }
  last_status_.reset();
}

void ServiceReporter::on_finishing(uint64_t step) {
  extender_.set_active(true);
  service_.stopping();
  service_.status(fmt::format("saving step {}", format_count(step)));
}

}  // namespace pretrain
