// SPDX-License-Identifier: Apache-2.0
#include "libs/train/run_recorder.h"

#include <limits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/own_process.h"
#include "libs/metrics/record.h"

namespace pretrain {
namespace {

nlohmann::json to_json(std::span<const GuardedStep> steps) {
  nlohmann::json json = nlohmann::json::array();
  for (const GuardedStep& step : steps) json.push_back({{"step", step.step}, {"batch", step.batch}});
  return json;
}

// The keys of the records; libs/metrics/FORMAT.md lists them with their units.

nlohmann::json to_json(const StepRecord& r, const SourceStatus& source, const MachineUse& use) {
  nlohmann::json json{{"step", r.step},
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
  if (use.watts) json["watts"] = *use.watts;
  if (r.machines == 0) return json;
  json["machines"] = r.machines;
  json["exchange_seconds"] = r.exchange_seconds;
  json["exchange_hidden_seconds"] = r.exchange_hidden_seconds;
  return json;
}

/// The kinds of the records.
std::string_view kind_of(MachineEvent::Kind kind) {
  if (kind == MachineEvent::Kind::kSlots) return "machine_slots";
  if (kind == MachineEvent::Kind::kJoined) return "machine_joined";
  if (kind == MachineEvent::Kind::kLeft) return "machine_left";
  return kind == MachineEvent::Kind::kLost ? "machine_lost" : "machine_wrong";
}

nlohmann::json to_json(const SaveResult& result, double pause_seconds) {
  return {{"step", result.step},
          {"checkpoint_bytes", result.bytes},
          {"checkpoint_seconds", std::chrono::duration<double>(result.duration).count()},
          {"checkpoint_cpu_seconds", std::chrono::duration<double>(result.cpu_time).count()},
          {"checkpoint_pause_seconds", pause_seconds}};
}

nlohmann::json to_json(const TimeSplit& split) {
  return {{"forward", split.forward},       {"backward", split.backward},   {"loss", split.loss},
          {"optimizer", split.optimizer},   {"data_wait", split.data_wait}, {"checkpoint", split.checkpoint},
          {"evaluation", split.evaluation}, {"samples", split.samples},     {"paused", split.paused}};
}

nlohmann::json numbers_of(std::span<const Batch> batches) {
  nlohmann::json numbers = nlohmann::json::array();
  for (const Batch& batch : batches) numbers.push_back(batch.number);
  return numbers;
}

/// JSON has no NaN, so it was written as null.
double number_in(const nlohmann::json& record, const char* key) {
  return number_of(record, key).value_or(std::numeric_limits<double>::quiet_NaN());
}

StepEvaluation evaluation_in(const nlohmann::json& record, uint64_t step) {
  return {.step = step,
          .result = {.loss = number_in(record, "validation_loss"),
                     .perplexity = number_in(record, "perplexity"),
                     .bits_per_byte = number_in(record, "bits_per_byte")}};
}

/// The start of a text, cut between characters: records are bounded.
std::string start_of(std::string_view text) {
  constexpr size_t kMostBytes = 65'536;
  if (text.size() <= kMostBytes) return std::string(text);
  size_t end = kMostBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string(text.substr(0, end));
}

/// The recorded step contains only its own times; the summary of the session is their sum.
void add(TimeSplit& split, const StepRecord& record) {
  split.forward += record.pass.forward;
  split.backward += record.pass.backward;
  split.loss += record.pass.loss;
  split.optimizer += record.optimizer_seconds;
  split.data_wait += record.data_wait_seconds;
  split.checkpoint += record.checkpoint_wait_seconds;
}

}  // namespace

nlohmann::json to_json(const std::vector<MachineShare>& shares) {
  nlohmann::json json = nlohmann::json::array();
  for (const MachineShare& share : shares)
    json.push_back(
        {{"machine", share.machine}, {"slots", share.slots}, {"slots_per_second", share.slots_per_second}});
  return json;
}

RunRecorder::RunRecorder(FileSystem& files, Path state_folder, std::vector<TrainObserver*> observers,
                         MachineUseReader machine_use)
    : files_(files),
      state_folder_(std::move(state_folder)),
      observers_(std::move(observers)),
      machine_use_(std::move(machine_use)) {}

void RunRecorder::begin_session(const RunLimits& limits, const KnownAtStart& known) {
  progress_.begin(limits, known, Clock::now());
}

/// A run that was stopped during an evaluation saved its checkpoint before it, and the last checkpoint is
/// recorded after it was written. Keeping such records saves the resumed run from repeating the evaluation.
KnownOfStep RunRecorder::open_log(const StepLogPosition& position, uint64_t step) {
  if (log_ != nullptr) lost_before_ = lost_before_ + log_->lost();
  log_.reset();
  KnownOfStep known;
  const auto keeps = [&](const nlohmann::json& record) {
    const std::string_view kind = kind_of(record);
    if (step_of(record) != step) return false;
    if (kind != "evaluation") return kind == "sample" || kind == "checkpoint" || outlives_return(kind);
    if (known.evaluation) return false;
    known.evaluation = evaluation_in(record, step);
    return true;
  };
  log_ = std::make_unique<RunLog>(files_, state_folder_,
                                  StepLogStart{.position = position, .step = step, .keeps = keeps});
  if (log_->was_replaced()) {
    log_warning(
        "{} changed since step {} (edited, replaced or truncated); it continues after its records up to that step",
        (state_folder_ / "metrics.jsonl").native(), step);
  }
  known.sampled = log_->has_sample_of(step);
  progress_.note_best(log_->best_evaluation());
  return known;
}

void RunRecorder::write(std::string_view kind, nlohmann::json record) {
  log_->write(kind, std::move(record));
  progress_.note_lost_records(lost_before_ + log_->lost());
  tell_lost();
}

/// Logs the first of consecutive records that a file lost, and counts all for the summary.
void RunRecorder::tell_lost() {
  const std::vector<std::string>& lost = log_->new_errors();
  for (const std::string& why : lost)
    log_warning("{}; training continues, its records are lost until it can be written again", why);
  for (const std::string& name : log_->new_removals()) {
    log_warning(
        "{} was removed or replaced while the run wrote to it; its records continue in the file of that name",
        (state_folder_ / name).native());
  }
  const bool behind = !log_->curve_error().empty();
  if (behind && !curve_behind_ && lost.empty()) {
    log_warning("{}: {}; training continues, the curve is written again with the next steps",
                (state_folder_ / "curve.jsonl").native(), log_->curve_error());
  }
  curve_behind_ = behind;
}

void RunRecorder::note_session(uint64_t step, uint64_t tokens, nlohmann::json facts) {
  facts["step"] = step;
  facts["tokens"] = tokens;
  facts["schema"] = kRecordSchema;
  write("session", std::move(facts));
}

void RunRecorder::note_settings(uint64_t step, const nlohmann::json& changed) {
  if (changed.empty()) return;
  write("settings", {{"step", step}, {"changed", changed}});
  tell([&](TrainObserver& observer) { observer.on_settings(changed); });
}

void RunRecorder::note_end(const SessionEnd& end) {
  nlohmann::json record{{"step", end.step},
                        {"tokens", end.tokens},
                        {"reason", end.reason},
                        {"saved_step", nullptr},
                        {"seconds", end.seconds},
                        {"split", to_json(summary_.split)},
                        {"documents", end.source.documents},
                        {"skips", nlohmann::json(end.source.skips)}};
  if (end.saved_step) record["saved_step"] = *end.saved_step;
  if (!end.error.empty()) record["error"] = end.error;
  const MachineUse use = machine_use_ ? machine_use_() : MachineUse{};
  if (use.joules) record["joules"] = *use.joules;
  if (use.throttled) record["throttled"] = *use.throttled;
  write("end", std::move(record));
}

/// Once a session: a return to a checkpoint starts the stream again, and observers heard of it before.
void RunRecorder::note_ready() {
  if (phase_ != RunPhase::kStarting) return;
  set_phase(phase_ = RunPhase::kTraining);
  tell([](TrainObserver& observer) { observer.on_ready(); });
}

void RunRecorder::note_progress() {
  tell([](TrainObserver& observer) { observer.on_progress(); });
}

/// Work besides the steps has a time of its own, which the estimate of the time left adds by what is still due.
void RunRecorder::begin_work(RunPhase phase) {
  work_ = phase;
  work_start_ = Clock::now();
  set_phase(phase);
}

void RunRecorder::end_work() {
  const double seconds = std::chrono::duration<double>(Clock::now() - work_start_).count();
  if (work_ == RunPhase::kEvaluating) progress_.note_evaluation_time(seconds);
  if (work_ == RunPhase::kSampling) progress_.note_sample_time(seconds);
  set_phase(phase_);
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
  const MachineUse use = machine_use_ ? machine_use_() : MachineUse{};
  if (logged) write("step", to_json(record, source, use));
  note_heat(record.step, use);
  tell([&, run = snapshot()](TrainObserver& observer) { observer.on_step(record, run); });
}

void RunRecorder::note_made_step(const StepRecord& record, const SourceStatus& source, bool logged) {
  summary_.last_step = record.step;
  progress_.note_skipped_step(record.step, record.tokens, record.epoch);
  if (logged) write("step", to_json(record, source, {}));
  note_progress();
}

/// A hot processor slows down thousands of times an hour, so a record tells of many.
void RunRecorder::note_heat(uint64_t step, const MachineUse& use) {
  constexpr std::chrono::minutes kAtMostEvery(10);
  if (!use.throttled || *use.throttled <= throttles_recorded_) return;
  const auto now = Clock::now();
  if (heat_recorded_ && now - *heat_recorded_ < kAtMostEvery) return;
  write("throttled", {{"step", step}, {"times", *use.throttled - throttles_recorded_}});
  throttles_recorded_ = *use.throttled;
  heat_recorded_ = now;
}

void RunRecorder::note_bad_step(uint64_t step, std::span<const Batch> batches,
                                const std::vector<std::string>& documents) {
  write("bad_step", {{"step", step}, {"passed_over_batches", numbers_of(batches)}, {"documents", documents}});
}

/// A step that the user skips counts as a step, with its tokens, so that schedule and limits stay where they were.
void RunRecorder::note_skipped_step(const SkippedStep& step) {
  summary_.last_step = step.step;
  progress_.note_skipped_step(step.step, step.tokens, step.epoch);
  write("skipped_step", {{"step", step.step},
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
  write("hardware_fault", {{"step", step}, {"hardware_fault", "a repeated step came out differently"}});
}

void RunRecorder::note_machine(uint64_t step, const MachineEvent& event) {
  nlohmann::json record{{"step", step}, {"machines", event.machines}};
  if (event.kind == MachineEvent::Kind::kSlots) {
    record["shares"] = to_json(event.shares);
  } else {
    record["machine"] = event.machine;
  }
  if (!event.why.empty()) record["why"] = event.why;
  write(kind_of(event.kind), std::move(record));
  progress_.note_machine(event);
  tell([&](TrainObserver& observer) { observer.on_machine(event); });
}

/// The log continues after the checkpoint's step; the record says from where the run came back and why.
void RunRecorder::note_return(uint64_t from, uint64_t to, std::span<const GuardedStep> row) {
  write("returned", {{"step", to}, {"returned_from", from}, {"passed_over", to_json(row)}});
  summary_.last_step = to;
  progress_.note_return(to);
}

void RunRecorder::note_evaluation(const StepEvaluation& evaluation, uint64_t tokens, double peak_flops) {
  const EvaluationResult& result = evaluation.result;
  progress_.note_evaluation(evaluation);
  write("evaluation", {{"step", evaluation.step},
                       {"tokens", tokens},
                       {"validation_loss", result.loss},
                       {"perplexity", result.perplexity},
                       {"bits_per_byte", result.bits_per_byte},
                       {"peak_flops", peak_flops}});
  progress_.note_best(log_->best_evaluation());
  tell([&, run = snapshot()](TrainObserver& observer) { observer.on_evaluation(evaluation, run); });
}

void RunRecorder::note_sample(const Sample& sample) {
  write("sample", {{"step", sample.step},
                   {"prompt", start_of(sample.prompt)},
                   {"text", start_of(sample.text)},
                   {"seconds", sample.seconds}});
  tell([&](TrainObserver& observer) { observer.on_sample(sample); });
}

void RunRecorder::note_paused(uint64_t step, PauseReason why, std::optional<std::chrono::seconds> time) {
  nlohmann::json record{{"step", step}, {"why", name_of(why)}, {"steady_seconds", steady_seconds()}};
  if (time) record["seconds"] = time->count();
  write("paused", std::move(record));
  progress_.note_paused(why);
  begin_work(RunPhase::kPaused);
  tell([&](TrainObserver& observer) { observer.on_paused(step, why, time); });
}

/// A pause counts neither for the time left nor for the limit of the session's time.
void RunRecorder::note_continued(uint64_t step, std::chrono::nanoseconds paused) {
  const double seconds = std::chrono::duration<double>(paused).count();
  summary_.split.paused += seconds;
  progress_.note_pause(paused);
  write("continued", {{"step", step}, {"seconds", seconds}});
  end_work();
  tell([&](TrainObserver& observer) { observer.on_continued(step, paused); });
}

void RunRecorder::note_save_started(uint64_t step) {
  tell([&](TrainObserver& observer) { observer.on_save_started(step); });
}

void RunRecorder::note_saved(const SaveResult& result, double pause_seconds) {
  progress_.note_saved(result, Clock::now());
  // The files that are open went with their folder.
  if (result.is_state_folder_new) {
    const std::optional<BestEvaluation> best = log_->best_evaluation();
    open_log(log_->position(), result.step);
    progress_.note_best(best);
  }
  if (result.ok) {
    write("checkpoint", to_json(result, pause_seconds));
  } else {
    write("checkpoint_error", {{"step", result.step}, {"checkpoint_error", result.error}});
  }
  tell([&](TrainObserver& observer) { observer.on_saved(result); });
}

/// From here on no step follows: what is left is the last evaluation and the last save.
void RunRecorder::note_finishing(uint64_t step) {
  set_phase(phase_ = RunPhase::kFinishing);
  tell([&](TrainObserver& observer) { observer.on_finishing(step); });
}

}  // namespace pretrain
