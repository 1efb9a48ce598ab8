#include "libs/train/trainer.h"

#include <array>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/units.h"
#include "libs/model/initialization.h"

namespace pretrain {
namespace {

/// Some ten rounds: enough for one of them to have all cores, and little beside an evaluation.
constexpr std::chrono::milliseconds kPeakMeasurement(20);

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

uint64_t combined_hash(const std::vector<Batch>& batches) {
  if (batches.size() == 1) return batches.front().hash;
  std::vector<uint64_t> hashes;
  for (const Batch& batch : batches) hashes.push_back(batch.hash);
  return hash64(std::as_bytes(std::span(hashes)));
}

/// What a replay of the step must come to as well. Steps that are not finite are alike.
uint64_t digest_of(const StepRecord& record) {
  const std::array<double, 2> numbers =
      record.applied ? std::array{record.loss, record.gradient_norm} : std::array{0.0, -1.0};
  return hash64(std::as_bytes(std::span(numbers)), record.batch_hash);
}

nlohmann::json to_json(const GuardedStep& step) {
  return {{"step", step.step}, {"batch", step.batch}};
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

}  // namespace

Trainer::Trainer(TrainerParts parts, const TrainerOptions& options)
    : parts_(std::move(parts)),
      options_(options),
      model_(parts_.compute, {parts_.model, options.micro_rows, true, options.recompute, options.precision}),
      parameters_(model_.layout().flat_size()),
      gradients_(model_.layout().flat_size()),
      optimizer_(parts_.compute, model_.layout(), options.optimizer),
      pass_(model_, optimizer_),
      writer_(parts_.store) {
  std::fill_n(gradients_.data(), gradients_.size(), 0.0F);
  model_.set_probe(parts_.probe);
}

Trainer::~Trainer() = default;

void Trainer::initialize(uint64_t seed) {
  initialize_parameters(parts_.compute, model_.layout(), seed, parameters_.data());
  model_.use_parameters(parameters_.data());
}

void Trainer::load(const Checkpoint& checkpoint) {
  loaded_stream_.emplace();
  load_checkpoint(checkpoint, model_.layout(), parameters_.data(), optimizer_, state_, *loaded_stream_);
  model_.use_parameters(parameters_.data());
  last_good_step_ = state_.step;
  fresh_ = state_.step == 0;
}

void Trainer::branch(const Checkpoint& parent, bool keeps_stream) {
  load(parent);
  if (!keeps_stream) loaded_stream_.reset();
  state_.log = {};
  state_.evaluation.reset();
  // With other keys the steps that failed there may come out well.
  state_.guard.in_a_row.clear();
  state_.guard.recorded.clear();
  last_good_step_.reset();
  fresh_ = true;
}

void Trainer::initialize_from(const Checkpoint& parent) {
  load_parameters(parent.folder, model_.layout(), parameters_.data());
  model_.use_parameters(parameters_.data());
}

RunSummary Trainer::run() {
  log_ = std::make_unique<StepLog>(parts_.files, parts_.state_folder, state_.log);
  session_start_ = last_save_start_ = Clock::now();
  summary_ = {.first_step = state_.step};
  source_ = parts_.open_source(loaded_stream_ ? &*loaded_stream_ : nullptr);
  loaded_stream_.reset();
  try {
    train();
  } catch (const Stopped&) {
    summary_.reason = EndReason::kStopped;
  } catch (const Error&) {
    save_after_error();
    throw;
  }
  finish();
  summary_.last_step = state_.step;
  summary_.seconds = seconds_since(session_start_);
  summary_.source = source_->status();
  return summary_;
}

void Trainer::train() {
  if (fresh_) save();
  catch_up();
  while (!limit_reached()) {
    if (parts_.stop.stop_requested()) throw Stopped();
    const auto start = Clock::now();
    if (!fetch()) {
      summary_.reason = EndReason::kStreamEnd;
      return;
    }
    if (!std::exchange(ready_, true)) tell([](TrainObserver& observer) { observer.on_ready(); });
    const double data_wait = seconds_since(start);
    StepRecord record = train_step();
    finish_record(record, start, data_wait);
    note_step(record);
    judge(record);
    do_what_is_due();
  }
  summary_.reason = EndReason::kLimit;
}

bool Trainer::limit_reached() const {
  return (options_.max_steps > 0 && state_.step >= options_.max_steps) ||
         (options_.max_tokens > 0 && state_.tokens >= options_.max_tokens) ||
         (options_.max_time.count() > 0 && Clock::now() - session_start_ >= options_.max_time);
}

/// What has been taken from the source is trained, or the checkpoint's stream would go on behind it. So a
/// stop waits until a begun step has its batches, and at an error or the end the step is made of those there
/// are.
bool Trainer::fetch() {
  batches_.resize(options_.accumulate);
  size_t got = 0;
  try {
    while (got < batches_.size() && source_->next(batches_[got], got == 0 ? parts_.stop : std::stop_token()))
      ++got;
  } catch (const Error&) {
    if (got == 0) throw;  // else the source throws it again at the next step
  }
  batches_.resize(got);
  return got > 0;
}

StepRecord Trainer::train_step() {
  const StepResult result = pass_.run(batches_, gradients_.data(), [this] { tell_progress(); });
  StepRecord record{.step = state_.step + 1,
                    .epoch = batches_.back().epoch,
                    .loss = result.loss,
                    .learning_rate = options_.schedule.at(state_.step + 1),
                    .gradient_norm = result.gradient_norm,
                    .applied = result.finite,
                    .pass = model_.take_seconds(),
                    .batch_hash = combined_hash(batches_)};
  if (result.finite) apply_update(result, record);
  ++state_.step;
  state_.tokens += result.targets;
  record.tokens = state_.tokens;
  record.step_tokens = result.targets;
  return record;
}

void Trainer::apply_update(const StepResult& result, StepRecord& record) {
  const auto start = Clock::now();
  // A save in progress reads parameters and moments in place.
  writer_.wait_until_sources_read(
      [this](std::chrono::seconds waited) { wait_a_second_for_the_disk(waited); });
  record.checkpoint_wait_seconds = seconds_since(start);
  if (writer_.busy()) save_pause_seconds_ += record.checkpoint_wait_seconds;
  const auto update_start = Clock::now();
  optimizer_.update(record.learning_rate, result.gradient_norm, gradients_.data(), parameters_.data());
  model_.use_parameters(parameters_.data());
  record.optimizer_seconds = seconds_since(update_start);
}

void Trainer::finish_record(StepRecord& record, Clock::time_point start, double data_wait) const {
  record.data_wait_seconds = data_wait;
  record.step_seconds = seconds_since(start);
  record.tokens_per_second = static_cast<double>(record.step_tokens) / record.step_seconds;
  record.utilization = flops_per_token(parts_.model) * record.tokens_per_second / parts_.peak.flops();
}

void Trainer::note_step(const StepRecord& record) {
  state_.trained_seconds += record.step_seconds;
  summary_.tokens += record.step_tokens;
  summary_.step_seconds += record.step_seconds;
  TimeSplit& split = summary_.split;
  split.forward += record.pass.forward;
  split.backward += record.pass.backward;
  split.loss += record.pass.loss;
  split.optimizer += record.optimizer_seconds;
  split.data_wait += record.data_wait_seconds;
  split.checkpoint += record.checkpoint_wait_seconds;
  const SourceStatus source = source_->status();
  if (options_.log_every > 0 && record.step % options_.log_every == 0) log_->write(to_json(record, source));
  tell([&](TrainObserver& observer) { observer.on_step(record, source); });
}

/// What a step that was not finite means, after it was recorded.
void Trainer::judge(const StepRecord& record) {
  if (!record.applied) note_passed_over(record);
  audit_replay(record);
  switch (state_.guard.record(record.applied, record.step, batches_.front().number)) {
    case GuardVerdict::kGoOn:
      break;
    case GuardVerdict::kReturn:
      return_to_checkpoint();
      break;
    case GuardVerdict::kStop:
      give_up("also when they were repeated from a checkpoint");
  }
}

void Trainer::note_passed_over(const StepRecord& record) {
  nlohmann::json batches = nlohmann::json::array();
  nlohmann::json documents = nlohmann::json::array();
  for (const Batch& batch : batches_) {
    batches.push_back(batch.number);
    for (const std::string& document : source_->documents_of(batch)) documents.push_back(document);
  }
  log_warning(
      "step {}: loss or gradient is not finite; the step was passed over (batch {}, documents in "
      "metrics.jsonl)",
      record.step, batches_.front().number);
  log_->write({{"step", record.step}, {"passed_over_batches", batches}, {"documents", documents}});
}

/// The same step from the same state has to come to the same numbers.
void Trainer::audit_replay(const StepRecord& record) {
  if (history_.agrees(record.step, digest_of(record))) return;
  log_error(
      "step {} came out differently when it was repeated: this machine computed wrongly once (memory, "
      "processor, "
      "overclocking); training goes on with the second result",
      record.step);
  log_->write({{"step", record.step}, {"hardware_fault", "a repeated step came out differently"}});
}

void Trainer::return_to_checkpoint() {
  wait_for_writer();
  const std::optional<Checkpoint> checkpoint = parts_.store.newest_verified();
  if (!checkpoint) give_up("and there is no checkpoint to return to");
  const NonFiniteGuard guard = state_.guard;
  const uint64_t from = state_.step;
  source_.reset();
  load(*checkpoint);
  state_.guard.remember(guard);
  log_ = std::make_unique<StepLog>(parts_.files, parts_.state_folder, state_.log);
  nlohmann::json passed_over = nlohmann::json::array();
  for (const GuardedStep& step : guard.in_a_row) passed_over.push_back(to_json(step));
  log_->write({{"step", state_.step}, {"returned_from", from}, {"passed_over", passed_over}});
  log_warning("{} steps in a row were not finite: back from step {} to the checkpoint of step {}",
              guard.in_a_row.size(), from, state_.step);
  source_ = parts_.open_source(&*loaded_stream_);
  loaded_stream_.reset();
  ++summary_.returns;
}

void Trainer::give_up(const std::string& why) {
  const std::vector<GuardedStep>& steps = state_.guard.in_a_row;
  fail(ErrorKind::kRuntime,
       "training stopped: {} steps in a row were not finite, {} (steps {} to {}, batches {} to {}, the last "
       "with "
       "text from {}; all documents are in {}); lower --learning-rate, or go back with resume --from STEP",
       steps.size(), why, steps.front().step, steps.back().step, steps.front().batch, steps.back().batch,
       fmt::join(source_->documents_of(batches_.back()), ", "),
       (parts_.state_folder / "metrics.jsonl").native());
}

namespace {

bool due(uint64_t every, uint64_t step) {
  return every > 0 && step % every == 0;
}

}  // namespace

/// At the beginning of a session: what an uninterrupted run would have done after this step.
void Trainer::catch_up() {
  if (state_.step == 0 || due(options_.evaluate_every, state_.step)) evaluate_now();
  if (state_.step == 0 || due(options_.sample_every, state_.step)) sample_now();
}

void Trainer::do_what_is_due() {
  collect_save_results();
  if (checkpoint_is_due()) save();
  if (due(options_.evaluate_every, state_.step)) evaluate_now();
  if (due(options_.sample_every, state_.step)) sample_now();
}

/// Not in the middle of a row of bad steps: what made them may have changed the parameters too.
bool Trainer::checkpoint_is_due() {
  if (parts_.take_save_request && parts_.take_save_request()) save_requested_ = true;
  if (!state_.guard.in_a_row.empty()) return false;
  const bool by_time = options_.checkpoint_interval.count() > 0 &&
                       Clock::now() - last_save_start_ >= options_.checkpoint_interval;
  return std::exchange(save_requested_, false) || by_time || due(options_.checkpoint_every, state_.step);
}

void Trainer::evaluate_now() {
  if (parts_.evaluation.target_count == 0) return;
  if (state_.evaluation && state_.evaluation->step == state_.step) return;
  const auto start = Clock::now();
  // Once a session would not do: a neighbour that has a core just then makes every share too high.
  parts_.peak.measure(kPeakMeasurement);
  const EvaluationResult result =
      evaluate(model_, parts_.evaluation, parts_.stop, [this] { tell_progress(); });
  model_.take_seconds();
  summary_.split.evaluation += seconds_since(start);
  state_.evaluation = {.step = state_.step, .result = result};
  if (!summary_.first_evaluation) summary_.first_evaluation = result;
  summary_.last_evaluation = result;
  log_->write({{"step", state_.step},
               {"tokens", state_.tokens},
               {"validation_loss", result.loss},
               {"perplexity", result.perplexity},
               {"bits_per_byte", result.bits_per_byte},
               {"peak_flops", parts_.peak.flops()}});
  tell([&](TrainObserver& observer) { observer.on_evaluation(state_.step, result); });
}

void Trainer::sample_now() {
  if (last_sampled_ == state_.step || parts_.stop.stop_requested()) return;
  const auto start = Clock::now();
  tell([&](TrainObserver& observer) { observer.on_sample(state_.step, parameters_.data()); });
  summary_.split.samples += seconds_since(start);
  last_sampled_ = state_.step;
}

/// Starts a save in the background; the one before it, if still under way, is waited for.
void Trainer::save() {
  const auto start = Clock::now();
  wait_for_writer();
  if (last_good_step_ == state_.step) return;
  saved_stream_ = source_->state({});
  state_.log = log_->position();
  CheckpointContent content{
      .step = state_.step,
      .files = checkpoint_files(state_, model_.layout(), parameters_.data(), optimizer_, saved_stream_),
      .fingerprint = parts_.fingerprint,
      .configuration = parts_.configuration,
      .parent = parts_.parent};
  for (const FileContent& file : parts_.fixed_files) content.files.push_back(file);
  tell([&](TrainObserver& observer) { observer.on_save_started(state_.step); });
  writer_.start(std::move(content));
  last_save_start_ = Clock::now();
  save_pause_seconds_ = seconds_since(start);
  summary_.split.checkpoint += save_pause_seconds_;
}

/// What was trained is not lost. The error that ended the run counts, not how this save went.
void Trainer::save_after_error() {
  try {
    save();
    wait_for_writer();
  } catch (const std::exception& error) {
    log_error("checkpoint of step {} failed: {}", state_.step, error.what());
  }
}

void Trainer::wait_for_writer() {
  const auto result =
      writer_.wait([this](std::chrono::seconds waited) { wait_a_second_for_the_disk(waited); });
  if (result) report(*result);
}

/// A slow disk is no fault of the run. One that has not moved for an hour is given up like a trainer that
/// hangs.
void Trainer::wait_a_second_for_the_disk(std::chrono::seconds waited) {
  constexpr std::chrono::seconds kPatience = std::chrono::hours(1);
  constexpr std::chrono::seconds kToldEvery = std::chrono::minutes(1);
  if (waited % kToldEvery == std::chrono::seconds(0)) {
    log_warning("waiting for the disk at {}: {} so far", parts_.state_folder.native(),
                format_duration(waited));
  }
  if (waited < kPatience) tell_progress();
}

void Trainer::collect_save_results() {
  while (const auto result = writer_.poll()) report(*result);
}

void Trainer::report(const SaveResult& result) {
  if (result.ok) {
    last_good_step_ = result.step;
    state_.guard.forget_up_to(result.step);
    history_.forget_up_to(result.step);
    log_->write({{"step", result.step},
                 {"checkpoint_bytes", result.bytes},
                 {"checkpoint_seconds", std::chrono::duration<double>(result.duration).count()},
                 {"checkpoint_cpu_seconds", std::chrono::duration<double>(result.cpu_time).count()},
                 {"checkpoint_pause_seconds", save_pause_seconds_}});
  } else {
    log_error("checkpoint of step {} failed: {}; training goes on, the next attempt starts afresh",
              result.step, result.error);
    log_->write({{"step", result.step}, {"checkpoint_error", result.error}});
  }
  tell([&](TrainObserver& observer) { observer.on_saved(result); });
}

/// The last save. Everything trained is on disk when this returns.
void Trainer::finish() {
  tell([&](TrainObserver& observer) { observer.on_finishing(state_.step); });
  try {
    if (summary_.reason != EndReason::kStopped) {
      evaluate_now();
      sample_now();
    }
  } catch (const Stopped&) {
    summary_.reason = EndReason::kStopped;
  }
  const auto start = Clock::now();
  save();
  wait_for_writer();
  summary_.split.checkpoint += seconds_since(start);
  if (last_good_step_ == state_.step) return;
  if (!last_good_step_) fail(ErrorKind::kRuntime, "the final checkpoint failed, and there is none before it");
  fail(ErrorKind::kRuntime, "the final checkpoint failed; the last good one is step {}", *last_good_step_);
}

}  // namespace pretrain
