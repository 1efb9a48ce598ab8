#include "libs/train/run_recorder.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "libs/base/hash.h"
#include "libs/base/machine.h"

namespace pretrain {
namespace {

nlohmann::json to_json(std::span<const GuardedStep> steps) {
  nlohmann::json json = nlohmann::json::array();
  for (const GuardedStep& step : steps) json.push_back({{"step", step.step}, {"batch", step.batch}});
  return json;
}

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

void RunRecorder::open_log(const StepLogPosition& position) {
  log_.reset();
  log_ = std::make_unique<StepLog>(files_, state_folder_, position);
}

void RunRecorder::note_ready() {
  if (!std::exchange(ready_, true)) tell([](TrainObserver& observer) { observer.on_ready(); });
}

void RunRecorder::note_progress() {
  tell([](TrainObserver& observer) { observer.on_progress(); });
}

void RunRecorder::note_step(const StepRecord& record, const SourceStatus& source, bool logged) {
  summary_.tokens += record.step_tokens;
  summary_.step_seconds += record.step_seconds;
  add(summary_.split, record);
  if (logged) log_->write(to_json(record, source));
  tell([&](TrainObserver& observer) { observer.on_step(record, source); });
}

void RunRecorder::note_skipped_batches(uint64_t step, std::span<const Batch> batches,
                                       const std::vector<std::string>& documents) {
  nlohmann::json numbers = nlohmann::json::array();
  for (const Batch& batch : batches) numbers.push_back(batch.number);
  log_->write({{"step", step}, {"passed_over_batches", numbers}, {"documents", documents}});
}

void RunRecorder::note_hardware_fault(uint64_t step) {
  log_->write({{"step", step}, {"hardware_fault", "a repeated step came out differently"}});
}

void RunRecorder::note_return(uint64_t from, uint64_t to, std::span<const GuardedStep> row) {
  log_->write({{"step", to}, {"returned_from", from}, {"passed_over", to_json(row)}});
  ++summary_.returns;
}

void RunRecorder::note_evaluation(const StepEvaluation& evaluation, uint64_t tokens, double peak_flops) {
  const EvaluationResult& result = evaluation.result;
  if (!summary_.first_evaluation) summary_.first_evaluation = result;
  summary_.last_evaluation = result;
  log_->write({{"step", evaluation.step},
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
  log_->write(to_json(result, pause_seconds));
  tell([&](TrainObserver& observer) { observer.on_saved(result); });
}

void RunRecorder::note_finishing(uint64_t step) {
  tell([&](TrainObserver& observer) { observer.on_finishing(step); });
}

}  // namespace pretrain
