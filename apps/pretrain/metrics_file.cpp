// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/metrics_file.h"

#include <utility>

#include "apps/pretrain/metrics_export.h"
#include "apps/pretrain/output_file.h"
#include "libs/base/error.h"
#include "libs/base/io_advice.h"
#include "libs/base/log.h"

namespace pretrain {

void check_metrics_file(const Path& file) {
  if (file.empty()) return;
  check_output_file({.option = "--metrics-file",
                     .path = file,
                     .beginning = "# HELP pretrain_",
                     .example = "pretrain.prom"});
}

MetricsFile::MetricsFile(Path file, const Path& state) : file_(std::move(file)) {
  // Only the newest points are used, so few are kept.
  constexpr RecordLimits kFew{
      .curve_points = 256, .evaluations = 64, .samples = 1, .sessions = 100, .events = 100};
  if (!file_.empty()) run_ = std::make_unique<RunView>(state, run_id(state, {}), kFew);
}

MetricsFile::~MetricsFile() {
  if (run_ != nullptr) write();
}

void MetricsFile::look(Time now) {
  constexpr std::chrono::seconds kEvery(15);
  if (run_ == nullptr || (written_ && now - *written_ < kEvery)) return;
  written_ = now;
  write();
}

void MetricsFile::write() {
  try {
    run_->update();
    write_metrics_file(*run_, file_);
    failing_ = false;
  } catch (const std::exception& error) {  // whatever it is, it must not end the training
    if (!std::exchange(failing_, true))
      log_warning("{}; training continues, and --metrics-file is tried again", message_with_advice(error));
  }
}

}  // namespace pretrain
