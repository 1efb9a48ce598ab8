// SPDX-License-Identifier: Apache-2.0
#include "libs/train/run_recorder.h"

#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"

namespace pretrain {
namespace {

nlohmann::json to_json(std::span<const GuardedStep> steps) {
  nlohmann::json json = nlohmann::json::array();
  for (const GuardedStep& step : steps) json.push_back({{"step", step.step}, {"batch", step.batch}});
  return json;
}

// The keys of the records; libs/metrics/FORMAT.md lists them with their units.

nlohmann::json to_json(const StepRecord& r, const SourceStatus& source) {
  return {{"step", r.step},
          {"tokens", r.tokens},
          {"epoch", r.epoch},
          {"loss", r.loss},
          {"learning_rate", r.learning_rate},
          {"grad_norm", r.gradient_norm},
          {"applied", r.applied},
          {"step_seconds", r.step_seconds},
          {"forward_seconds", r.pass.forward},
          {"backward_seconds", r.pass.backward},
          {"optimizer_seconds", r.optimizer_seconds},
          {"loss_seconds", r.pass.loss},
          {"data_wait_seconds", r.data_wait_seconds},
          {"checkpoint_wait_seconds", r.checkpoint_wait_seconds},
          {"tokens_per_second", r.tokens_per_second},
          {"flops_utilization", r.utilization},
          {"sequence_buffer", source.buffered_sequences},
          {"batch_queue", source.queued_batches},
          {"resident_bytes", resident_bytes()},
          {"batch_hash", hex64(r.batch_hash)}};
}

nlohmann::json to_json(const SaveResult& result, double pause_seconds) {
  if (!result.ok) return {{"step", result.step}, {"checkpoint_error", result.error}};
  return {{"step", result.step},
          {"checkpoint_bytes", result.bytes},
          {"checkpoint_seconds", std::chrono::duration<double>(result.duration).count()},
          {"checkpoint_cpu_seconds", std::chrono::duration<double>(result.cpu_time).count()},
          {"checkpoint_pause_seconds", pause_seconds}};
}

nlohmann::json numbers_of(std::span<const Batch> batches) {
  nlohmann::json numbers = nlohmann::json::array();
  for (const Batch& batch : batches) numbers.push_back(batch.number);
  return numbers;
}

/// JSON has no NaN, so it was written as null.
double number_in(const nlohmann::json& record, const char* key) {
  const auto found = record.find(key);
  return found != record.end() && found->is_number() ? found->get<double>()
                                                     : std::numeric_limits<double>::quiet_NaN();
}

/// The evaluation in a record; empty for other records.
std::optional<StepEvaluation> evaluation_in(const nlohmann::json& record) {
  if (!record.contains("validation_loss") || !record.contains("step")) return std::nullopt;
  if (!record["step"].is_number_unsigned()) return std::nullopt;
  return StepEvaluation{.step = record["step"].get<uint64_t>(),
                        .result = {.loss = number_in(record, "validation_loss"),
                                   .perplexity = number_in(record, "perplexity"),
                                   .bits_per_byte = number_in(record, "bits_per_byte")}};
}

void add(TimeSplit& split, const StepRecord& record) {
  split.forward += record.pass.forward;
  split.backward += record.pass.backward;
  split.loss += record.pass.loss;
  split.optimizer += record.optimizer_seconds;
  split.data_wait += record.data_wait_seconds;
  split.checkpoint += record.checkpoint_wait_seconds;
}

}  // namespace

RunRecorder::RunRecorder(FileSystem& files, Path state_folder, std::vector<TrainObserver*> observers)
    : files_(files), state_folder_(std::move(state_folder)), observers_(std::move(observers)) {}

void RunRecorder::begin_session(const RunLimits& limits, const KnownAtStart& known) {
  progress_.begin(limits, known, Clock::now());
}

/// A run that was stopped during an evaluation saved its checkpoint before it. Keeping the record of that
/// evaluation saves the resumed run from repeating it.
std::optional<StepEvaluation> RunRecorder::open_log(const StepLogPosition& position, uint64_t step) {
  if (log_ != nullptr) lost_before_ += log_->failed_writes();
  log_.reset();
  std::optional<StepEvaluation> kept;
  const auto keeps = [&](const nlohmann::json& record) {
    const auto evaluation = evaluation_in(record);
    if (kept || !evaluation || evaluation->step != step) return false;
    kept = evaluation;
    return true;
  };
  log_ = std::make_unique<StepLog>(files_, state_folder_,
                                   StepLogStart{.position = position, .step = step, .keeps = keeps});
  if (log_->was_replaced()) {
    log_warning(
        "{} changed since step {} (edited, replaced or truncated); it continues after its records up to that step",
        (state_folder_ / "metrics.jsonl").native(), step);
  }
  return kept;
}

/// Logs the first of consecutive lost records only, and counts all for the summary.
void RunRecorder::write(const nlohmann::json& record) {
  const uint64_t before = log_->failed_writes();
  log_->write(record);
  const bool failed = log_->failed_writes() > before;
  progress_.note_lost_records(lost_before_ + log_->failed_writes());
  if (failed && !loses_) {
    log_warning("{}: {}; training continues, its records are lost until it can be written again",
                (state_folder_ / "metrics.jsonl").native(), log_->last_error());
  }
  loses_ = failed;
}

void RunRecorder::note_ready() {
  if (phase_ != RunPhase::kStarting) return;
  set_phase(phase_ = RunPhase::kTraining);
  tell([](TrainObserver& observer) { observer.on_ready(); });
}

void RunRecorder::note_progress() {
  tell([](TrainObserver& observer) { observer.on_progress(); });
}

void RunRecorder::set_phase(RunPhase phase) {
  progress_.note_phase(phase);
  tell([&](TrainObserver& observer) { observer.on_phase(phase); });
}

/// Counts before it writes, so that the snapshot for the observers includes this step.
void RunRecorder::note_step(const StepRecord& record, const SourceStatus& source, bool logged) {
  summary_.last_step = record.step;
  summary_.tokens += record.step_tokens;
  add(summary_.split, record);
  progress_.note_step(record);
  if (logged) write(to_json(record, source));
  tell([&, run = snapshot()](TrainObserver& observer) { observer.on_step(record, run); });
}

void RunRecorder::note_bad_step(uint64_t step, std::span<const Batch> batches,
                                const std::vector<std::string>& documents) {
  write({{"step", step}, {"passed_over_batches", numbers_of(batches)}, {"documents", documents}});
}

void RunRecorder::note_skipped_step(const SkippedStep& step) {
  summary_.last_step = step.step;
  progress_.note_skipped_step(step.step, step.tokens, step.epoch);
  write({{"step", step.step},
         {"tokens", step.tokens},
         {"epoch", step.epoch},
         {"applied", false},
         {"skipped_on_request", true},
         {"batch_hash", hex64(step.batch_hash)},
         {"passed_over_batches", numbers_of(step.batches)},
         {"documents", step.documents}});
  note_progress();
}

void RunRecorder::note_hardware_fault(uint64_t step) {
  write({{"step", step}, {"hardware_fault", "a repeated step came out differently"}});
}

/// The log continues after the checkpoint's step; the record says from where the run came back and why.
void RunRecorder::note_return(uint64_t from, uint64_t to, std::span<const GuardedStep> row) {
  write({{"step", to}, {"returned_from", from}, {"passed_over", to_json(row)}});
  summary_.last_step = to;
  progress_.note_return(to);
}

void RunRecorder::note_evaluation(const StepEvaluation& evaluation, uint64_t tokens, double peak_flops) {
  const EvaluationResult& result = evaluation.result;
  summary_.last_evaluation = evaluation;
  progress_.note_evaluation(evaluation);
  write({{"step", evaluation.step},
         {"tokens", tokens},
         {"validation_loss", result.loss},
         {"perplexity", result.perplexity},
         {"bits_per_byte", result.bits_per_byte},
         {"peak_flops", peak_flops}});
  tell([&](TrainObserver& observer) { observer.on_evaluation(evaluation.step, result); });
}

void RunRecorder::note_sample(uint64_t step, const float* parameters) {
  tell([&](TrainObserver& observer) { observer.on_sample(step, parameters); });
}

void RunRecorder::note_save_started(uint64_t step) {
  tell([&](TrainObserver& observer) { observer.on_save_started(step); });
}

void RunRecorder::note_saved(const SaveResult& result, double pause_seconds) {
  progress_.note_saved(result, Clock::now());
  write(to_json(result, pause_seconds));
  tell([&](TrainObserver& observer) { observer.on_saved(result); });
}

void RunRecorder::note_finishing(uint64_t step) {
  set_phase(phase_ = RunPhase::kFinishing);
  tell([&](TrainObserver& observer) { observer.on_finishing(step); });
}

}  // namespace pretrain
