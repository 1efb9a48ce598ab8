#include "libs/train/trainer.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/model/initialization.h"

namespace pretrain {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

uint64_t combined_hash(const std::vector<Batch>& batches) {
  if (batches.size() == 1) return batches.front().hash;
  std::vector<uint64_t> hashes;
  for (const Batch& batch : batches) hashes.push_back(batch.hash);
  return hash64(std::as_bytes(std::span(hashes)));
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
      model_(parts_.compute, parts_.model, options.micro_rows, true),
      parameters_(model_.layout().flat_size()),
      gradients_(model_.layout().flat_size()),
      optimizer_(parts_.compute, model_.layout(), options.optimizer),
      pass_(model_, optimizer_),
      writer_(parts_.store) {
  std::fill_n(gradients_.data(), gradients_.size(), 0.0F);
}

Trainer::~Trainer() = default;

void Trainer::initialize(uint64_t seed) {
  initialize_parameters(parts_.compute, model_.layout(), seed, parameters_.data());
  model_.use_parameters(parameters_.data());
}

StreamState Trainer::load(const Checkpoint& checkpoint) {
  StreamState stream;
  load_checkpoint(checkpoint, model_.layout(), parameters_.data(), optimizer_, state_, stream);
  model_.use_parameters(parameters_.data());
  last_good_step_ = state_.step;
  fresh_ = state_.step == 0;
  return stream;
}

RunSummary Trainer::run(BatchSource& source) {
  log_ = std::make_unique<StepLog>(parts_.files, parts_.state_folder, state_.log);
  session_start_ = last_save_start_ = Clock::now();
  summary_ = {.first_step = state_.step};
  try {
    train(source);
  } catch (const Stopped&) {
    summary_.reason = EndReason::kStopped;
  } catch (const Error&) {
    save_after_error(source);
    throw;
  }
  finish(source);
  summary_.last_step = state_.step;
  summary_.seconds = seconds_since(session_start_);
  return summary_;
}

void Trainer::train(BatchSource& source) {
  if (fresh_) save(source);
  evaluate_now();
  sample_now();
  while (!limit_reached()) {
    if (parts_.stop.stop_requested()) throw Stopped();
    const auto start = Clock::now();
    if (!fetch(source)) {
      summary_.reason = EndReason::kStreamEnd;
      return;
    }
    const double data_wait = seconds_since(start);
    StepRecord record = train_step();
    record.data_wait_seconds = data_wait;
    record.step_seconds = seconds_since(start);
    record.tokens_per_second = static_cast<double>(record.step_tokens) / record.step_seconds;
    record.utilization = flops_per_token(parts_.model) * record.tokens_per_second / parts_.peak_flops;
    note_step(record, source.status());
    do_what_is_due(source);
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
bool Trainer::fetch(BatchSource& source) {
  batches_.resize(options_.accumulate);
  size_t got = 0;
  try {
    while (got < batches_.size() && source.next(batches_[got], got == 0 ? parts_.stop : std::stop_token()))
      ++got;
  } catch (const Error&) {
    if (got == 0) throw;  // else the source throws it again at the next step
  }
  batches_.resize(got);
  return got > 0;
}

StepRecord Trainer::train_step() {
  const StepResult result = pass_.run(batches_, gradients_.data());
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
  if (!result.finite) {
    log_warning("step {}: loss or gradient is not finite; the step was passed over (batch {})", state_.step,
                batches_.front().number);
  }
  if (state_.guard.record(result.finite, state_.step, batches_.front().number)) {
    fail(ErrorKind::kRuntime,
         "training stopped: {} steps in a row were not finite (steps {} to {}, batches {} to {}); lower "
         "--learning-rate, or go back with resume --from STEP",
         state_.guard.in_a_row.size(), state_.guard.in_a_row.front().step, state_.step,
         state_.guard.in_a_row.front().batch, state_.guard.in_a_row.back().batch);
  }
  return record;
}

void Trainer::apply_update(const StepResult& result, StepRecord& record) {
  const auto start = Clock::now();
  writer_.wait_until_sources_read();  // a save in progress reads parameters and moments in place
  record.checkpoint_wait_seconds = seconds_since(start);
  const auto update_start = Clock::now();
  optimizer_.update(record.learning_rate, result.gradient_norm, gradients_.data(), parameters_.data());
  model_.use_parameters(parameters_.data());
  record.optimizer_seconds = seconds_since(update_start);
}

void Trainer::note_step(const StepRecord& record, const SourceStatus& source) {
  summary_.tokens += record.step_tokens;
  summary_.step_seconds += record.step_seconds;
  TimeSplit& split = summary_.split;
  split.forward += record.pass.forward;
  split.backward += record.pass.backward;
  split.loss += record.pass.loss;
  split.optimizer += record.optimizer_seconds;
  split.data_wait += record.data_wait_seconds;
  split.checkpoint += record.checkpoint_wait_seconds;
  if (options_.log_every > 0 && record.step % options_.log_every == 0) log_->write(to_json(record, source));
  parts_.observer.on_step(record, source);
}

namespace {

bool due(uint64_t every, uint64_t step) {
  return every > 0 && step % every == 0;
}

}  // namespace

void Trainer::do_what_is_due(BatchSource& source) {
  collect_save_results();
  const bool by_time = options_.checkpoint_interval.count() > 0 &&
                       Clock::now() - last_save_start_ >= options_.checkpoint_interval;
  const bool asked = parts_.take_save_request && parts_.take_save_request();
  if (by_time || asked || due(options_.checkpoint_every, state_.step)) save(source);
  if (due(options_.evaluate_every, state_.step)) evaluate_now();
  if (due(options_.sample_every, state_.step)) sample_now();
}

void Trainer::evaluate_now() {
  if (parts_.evaluation.target_count == 0 || last_evaluated_ == state_.step) return;
  const auto start = Clock::now();
  const EvaluationResult result = evaluate(model_, parts_.evaluation, parts_.stop);
  model_.take_seconds();
  summary_.split.evaluation += seconds_since(start);
  last_evaluated_ = state_.step;
  if (!summary_.first_evaluation) summary_.first_evaluation = result;
  summary_.last_evaluation = result;
  log_->write({{"step", state_.step},
               {"tokens", state_.tokens},
               {"validation_loss", result.loss},
               {"perplexity", result.perplexity},
               {"bits_per_byte", result.bits_per_byte}});
  parts_.observer.on_evaluation(state_.step, result);
}

void Trainer::sample_now() {
  if (last_sampled_ == state_.step) return;
  const auto start = Clock::now();
  parts_.observer.on_sample(state_.step, parameters_.data());
  summary_.split.samples += seconds_since(start);
  last_sampled_ = state_.step;
}

/// Starts a save in the background; the one before it, if still under way, is waited for.
void Trainer::save(BatchSource& source) {
  const auto start = Clock::now();
  if (const auto earlier = writer_.wait()) report(*earlier);
  if (last_good_step_ == state_.step) return;
  saved_stream_ = source.state({});
  state_.log = log_->position();
  CheckpointContent content{
      .step = state_.step,
      .files = checkpoint_files(state_, model_.layout(), parameters_.data(), optimizer_, saved_stream_),
      .fingerprint = parts_.fingerprint,
      .configuration = parts_.configuration};
  for (const FileContent& file : parts_.fixed_files) content.files.push_back(file);
  parts_.observer.on_save_started(state_.step);
  writer_.start(std::move(content));
  last_save_start_ = Clock::now();
  summary_.split.checkpoint += seconds_since(start);
}

/// What was trained is not lost. The error that ended the run counts, not how this save went.
void Trainer::save_after_error(BatchSource& source) {
  try {
    save(source);
    if (const auto result = writer_.wait()) report(*result);
  } catch (const std::exception& error) {
    log_error("checkpoint of step {} failed: {}", state_.step, error.what());
  }
}

void Trainer::collect_save_results() {
  while (const auto result = writer_.poll()) report(*result);
}

void Trainer::report(const SaveResult& result) {
  if (result.ok) last_good_step_ = result.step;
  if (!result.ok) {
    log_error("checkpoint of step {} failed: {}; training goes on, the next attempt starts afresh",
              result.step, result.error);
    log_->write({{"step", result.step}, {"checkpoint_error", result.error}});
  }
  parts_.observer.on_saved(result);
}

/// The last save. Everything trained is on disk when this returns.
void Trainer::finish(BatchSource& source) {
  if (summary_.reason != EndReason::kStopped) {
    evaluate_now();
    sample_now();
  }
  const auto start = Clock::now();
  save(source);
  if (const auto result = writer_.wait()) report(*result);
  summary_.split.checkpoint += seconds_since(start);
  if (last_good_step_ == state_.step) return;
  if (!last_good_step_) fail(ErrorKind::kRuntime, "the final checkpoint failed, and there is none before it");
  fail(ErrorKind::kRuntime, "the final checkpoint failed; the last good one is step {}", *last_good_step_);
}

}  // namespace pretrain
