// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_monitor.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/own_process.h"
#include "libs/base/quantity.h"
#include "libs/metrics/record.h"
#include "libs/train/run_recorder.h"

namespace pretrain {
namespace {

using Seconds = std::chrono::duration<double>;

/// JSON has no NaN.
nlohmann::json number_or_null(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

template <typename Value>
nlohmann::json or_null(const std::optional<Value>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

nlohmann::json seconds_or_null(const std::optional<std::chrono::nanoseconds>& time) {
  return time ? nlohmann::json(Seconds(*time).count()) : nlohmann::json();
}

void add_losses(nlohmann::json& status, const RunSnapshot& run) {
  status["loss"] = run.loss ? number_or_null(*run.loss) : nlohmann::json();
  status["validation"] = nullptr;
  if (run.validation) {
    status["validation"] = {{"step", run.validation->step},
                            {"loss", number_or_null(run.validation->result.loss)},
                            {"bits_per_byte", number_or_null(run.validation->result.bits_per_byte)}};
  }
  status["best"] = nullptr;
  if (run.best) {
    status["best"] = {{"step", run.best->step},
                      {"loss", run.best->loss},
                      {"bits_per_byte", run.best->bits_per_byte},
                      {"evaluations_since", run.best->since}};
  }
}

}  // namespace

std::string_view name_of(RunPhase phase) {
  switch (phase) {
    case RunPhase::kStarting:
      return "starting";
    case RunPhase::kTraining:
      return "training";
    case RunPhase::kEvaluating:
      return "evaluating";
    case RunPhase::kSampling:
      return "sampling";
    case RunPhase::kPaused:
      return "paused";
    case RunPhase::kFinishing:
      return "finishing";
  }
  return "";
}

RunMonitor::RunMonitor(MonitoredSession session)
    : session_(std::move(session)),
      started_(std::chrono::system_clock::now()),
      run_time_(Clock::now()),
      threads_(std::to_string(session_.threads)),
      checkpoint_interval_(exact_duration(session_.checkpoint_interval)),
      throttles_at_start_(throttle_count()),
      throttles_(throttles_at_start_),
      throttles_told_(throttles_at_start_) {}

nlohmann::json RunMonitor::status() const {
  const std::lock_guard lock(mutex_);
  const auto age = Clock::now() - run_time_;
  nlohmann::json status{{"ok", true},
                        {"phase", name_of(phase_)},
                        {"process", process_number()},
                        {"started", seconds_since_1970(started_)},
                        {"time", seconds_since_1970(std::chrono::system_clock::now())},
                        {"model", session_.model},
                        {"parameters", session_.parameters},
                        {"step", run_.step},
                        {"max_steps", run_.limits.max_steps},
                        {"tokens", run_.tokens},
                        {"max_tokens", run_.limits.max_tokens},
                        {"epoch", run_.epoch},
                        {"max_epochs", run_.limits.max_epochs},
                        {"epoch_progress", or_null(run_.epoch_progress)},
                        {"learning_rate", run_.learning_rate},
                        {"tokens_per_second", run_.tokens_per_second},
                        {"flops_utilization", run_.utilization},
                        {"wait_share", run_.wait_share},
                        {"saved_step", or_null(run_.saved_step)},
                        {"failed_save", run_.failed_save},
                        {"bad_steps", run_.bad_steps},
                        {"skipped_steps", run_.skipped_steps},
                        {"returns", run_.returns},
                        {"lost_records", run_.lost_records.total()},
                        {"machines", run_.machines},
                        {"joined_machines", run_.joined_machines},
                        {"lost_machines", run_.lost_machines},
                        {"machine_shares", to_json(run_.shares)},
                        {"exchange_share", run_.exchange_share},
                        {"exchange_hidden_share", run_.hidden_share},
                        {"threads", threads_},
                        {"max_threads", session_.threads},
                        {"checkpoint_interval", checkpoint_interval_},
                        {"resident_bytes", resident_bytes()}};
  add_losses(status, run_);
  auto left = run_.time_left, saved = run_.since_save;
  if (left && phase_ != RunPhase::kPaused) *left -= std::min<std::chrono::nanoseconds>(age, *left);
  if (saved) *saved += age;
  status["seconds_left"] = seconds_or_null(left);
  status["seconds_since_save"] = seconds_or_null(saved);
  status["plan"] = nullptr;
  if (const auto& plan = run_.plan) {
    const bool counts = phase_ != RunPhase::kPaused;
    status["plan"] = {{"budget_seconds", plan->budget_seconds},
                      {"spent_seconds", plan->spent_seconds + (counts ? Seconds(age).count() : 0)},
                      {"bits_per_byte", plan->bits_per_byte},
                      {"uncertainty", plan->uncertainty},
                      {"is_fixed", plan->is_fixed}};
  }
  status["pause"] = nullptr;
  if (pause_) {
    status["pause"] = {{"why", name_of(*pause_)}, {"seconds_left", nullptr}};
    if (pause_end_) status["pause"]["seconds_left"] = Seconds(*pause_end_ - Clock::now()).count();
  }
  add_machine(status);
  return status;
}

void RunMonitor::add_machine(nlohmann::json& status) const {
  const MachineUse use = machine_use_now();
  status["watts"] = or_null(use.watts);
  status["joules"] = or_null(use.joules);
  status["throttled"] = or_null(use.throttled);
}

MachineUse RunMonitor::machine_use_now() const {
  MachineUse use{.watts = energy_.watts(), .joules = energy_.joules()};
  if (throttles_ && throttles_at_start_)
    use.throttled = *throttles_ - std::min(*throttles_, *throttles_at_start_);
  return use;
}

MachineUse RunMonitor::machine_use() const {
  const std::lock_guard lock(mutex_);
  return machine_use_now();
}

SaveActivity RunMonitor::saves() const {
  const std::lock_guard lock(mutex_);
  return saves_;
}

uint64_t RunMonitor::step() const {
  const std::lock_guard lock(mutex_);
  return run_.step;
}

RunPhase RunMonitor::phase() const {
  const std::lock_guard lock(mutex_);
  return phase_;
}

void RunMonitor::look_at_machine() {
  const auto throttles = throttle_count();
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  energy_.update(now);
  throttles_ = throttles;
  warn_of_heat(now);
}

void RunMonitor::warn_of_heat(Clock::time_point now) {
  constexpr std::chrono::minutes kAtMostEvery(10);
  if (!throttles_ || !throttles_told_ || *throttles_ <= *throttles_told_) return;
  if (heat_told_ != Clock::time_point() && now - heat_told_ < kAtMostEvery) return;
  log_warning("the processor slowed down {} because of heat",
              format_counted(*throttles_ - *throttles_told_, "time"));
  throttles_told_ = throttles_;
  heat_told_ = now;
}

void RunMonitor::on_phase(RunPhase phase) {
  const std::lock_guard lock(mutex_);
  phase_ = phase;
}

void RunMonitor::on_step(const StepRecord&, const RunSnapshot& run) {
  const std::lock_guard lock(mutex_);
  run_ = run;
  run_time_ = Clock::now();
}

void RunMonitor::on_evaluation(const StepEvaluation&, const RunSnapshot& run) {
  const std::lock_guard lock(mutex_);
  run_ = run;
  run_time_ = Clock::now();
}

void RunMonitor::on_save_started(uint64_t) {
  const std::lock_guard lock(mutex_);
  saves_.running = true;
}

void RunMonitor::on_saved(const SaveResult& result) {
  const std::lock_guard lock(mutex_);
  saves_.running = false;
  ++saves_.finished;
  saves_.last = result;
  if (!result.ok) {
    run_.failed_save = result.error;
    return;
  }
  run_.failed_save.clear();
  run_.saved_step = result.step;
  run_.since_save = run_time_ - Clock::now();  // status() adds the age of the snapshot
}

void RunMonitor::on_settings(const nlohmann::json& changed) {
  const std::lock_guard lock(mutex_);
  if (changed.contains("threads")) threads_ = changed["threads"][1].get<std::string>();
  if (changed.contains("checkpoint-interval")) {
    checkpoint_interval_ = changed["checkpoint-interval"][1].get<std::string>();
  }
}

void RunMonitor::on_paused(uint64_t, PauseReason why, std::optional<std::chrono::seconds> time) {
  const std::lock_guard lock(mutex_);
  pause_ = why;
  pause_end_.reset();
  if (time) pause_end_ = Clock::now() + *time;
}

void RunMonitor::on_continued(uint64_t, std::chrono::nanoseconds) {
  const std::lock_guard lock(mutex_);
  pause_.reset();
  pause_end_.reset();
}

}  // namespace pretrain
