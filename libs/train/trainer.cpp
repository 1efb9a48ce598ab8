#include "libs/train/trainer.h"

#include <array>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/base/log.h"
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

bool due(uint64_t every, uint64_t step) {
  return every > 0 && step % every == 0;
}

/// What a replay of the step must come to as well. Steps that are not finite are alike.
uint64_t digest_of(const StepRecord& record) {
  const std::array<double, 2> numbers =
      record.applied ? std::array{record.loss, record.gradient_norm} : std::array{0.0, -1.0};
  return hash64(std::as_bytes(std::span(numbers)), record.batch_hash);
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
      recorder_(parts_.files, parts_.state_folder, parts_.observers),
      saver_({.store = parts_.store,
              .recorder = recorder_,
              .take_request = parts_.take_save_request,
              .on_step_saved =
                  [this](uint64_t step) {
                    state_.guard.forget_up_to(step);
                    history_.forget_up_to(step);
                  },
              .place = parts_.state_folder},
             {.interval = options.checkpoint_interval, .every = options.checkpoint_every}) {
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
  on_disk_ = state_.step;
}

void Trainer::branch(const Checkpoint& parent, bool keeps_stream) {
  load(parent);
  if (!keeps_stream) loaded_stream_.reset();
  state_.log = {};
  state_.evaluation.reset();
  // With other keys the steps that failed there may come out well.
  state_.guard.in_a_row.clear();
  state_.guard.recorded.clear();
  on_disk_.reset();
}

void Trainer::initialize_from(const Checkpoint& parent) {
  load_parameters(parent.folder, model_.layout(), parameters_.data());
  model_.use_parameters(parameters_.data());
}

RunSummary Trainer::run() {
  recorder_.open_log(state_.log);
  session_start_ = Clock::now();
  saver_.begin_session(on_disk_);
  RunSummary& summary = recorder_.summary();
  summary.first_step = state_.step;
  source_ = parts_.open_source(loaded_stream_ ? &*loaded_stream_ : nullptr);
  loaded_stream_.reset();
  try {
    summary.reason = train();
  } catch (const Stopped&) {
    summary.reason = EndReason::kStopped;
  } catch (const Error&) {
    save_after_error();
    throw;
  }
  finish();
  summary.last_step = state_.step;
  summary.seconds = seconds_since(session_start_);
  summary.source = source_->status();
  return summary;
}

EndReason Trainer::train() {
  if (!saver_.last_good_step()) save();
  catch_up();
  while (!limit_reached()) {
    if (parts_.stop.stop_requested()) throw Stopped();
    const auto start = Clock::now();
    if (!fetch()) return EndReason::kStreamEnd;
    recorder_.note_ready();
    const double data_wait = seconds_since(start);
    StepRecord record = train_step();
    finish_record(record, start, data_wait);
    note_step(record);
    judge(record);
    do_what_is_due();
  }
  return EndReason::kLimit;
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
  const StepResult result = pass_.run(batches_, gradients_.data(), [this] { recorder_.note_progress(); });
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
  record.checkpoint_wait_seconds = saver_.wait_until_sources_read();
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
  recorder_.note_step(record, source_->status(), due(options_.log_every, record.step));
}

/// What a step that was not finite means, after it was recorded.
void Trainer::judge(const StepRecord& record) {
  if (!record.applied) note_skipped(record);
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

void Trainer::note_skipped(const StepRecord& record) {
  std::vector<std::string> documents;
  for (const Batch& batch : batches_) {
    for (std::string& document : source_->documents_of(batch)) documents.push_back(std::move(document));
  }
  log_warning(
      "step {}: loss or gradient is not finite; the step was skipped (batch {}, documents in metrics.jsonl)",
      record.step, batches_.front().number);
  recorder_.note_skipped_batches(record.step, batches_, documents);
}

/// The same step from the same state has to come to the same numbers.
void Trainer::audit_replay(const StepRecord& record) {
  if (history_.agrees(record.step, digest_of(record))) return;
  log_error(
      "step {} came out differently when it was repeated: this machine computed wrongly once (memory, "
      "processor, overclocking); training continues with the second result",
      record.step);
  recorder_.note_hardware_fault(record.step);
}

void Trainer::return_to_checkpoint() {
  saver_.wait();
  const std::optional<Checkpoint> checkpoint = parts_.store.newest_verified();
  if (!checkpoint) give_up("and there is no checkpoint to return to");
  const NonFiniteGuard guard = state_.guard;
  const uint64_t from = state_.step;
  source_.reset();
  load(*checkpoint);
  saver_.return_to(state_.step);
  state_.guard.remember(guard);
  recorder_.open_log(state_.log);
  recorder_.note_return(from, state_.step, guard.in_a_row);
  log_warning("{} consecutive steps were not finite: back from step {} to the checkpoint of step {}",
              guard.in_a_row.size(), from, state_.step);
  source_ = parts_.open_source(&*loaded_stream_);
  loaded_stream_.reset();
}

void Trainer::give_up(const std::string& why) {
  const std::vector<GuardedStep>& steps = state_.guard.in_a_row;
  fail(ErrorKind::kRuntime,
       "training stopped: {} consecutive steps were not finite, {} (steps {} to {}, batches {} to {}, the "
       "last with text from {}; all documents are in {}); lower --learning-rate, or go back with resume "
       "--from STEP",
       steps.size(), why, steps.front().step, steps.back().step, steps.front().batch, steps.back().batch,
       fmt::join(source_->documents_of(batches_.back()), ", "),
       (parts_.state_folder / "metrics.jsonl").native());
}

/// At the beginning of a session: what an uninterrupted run would have done after this step.
void Trainer::catch_up() {
  if (state_.step == 0 || due(options_.evaluate_every, state_.step)) evaluate_now();
  if (state_.step == 0 || due(options_.sample_every, state_.step)) sample_now();
}

void Trainer::do_what_is_due() {
  saver_.collect();
  // Not while consecutive steps are bad: what made them may have changed the parameters too.
  if (saver_.is_due(state_.step) && state_.guard.in_a_row.empty()) save();
  if (due(options_.evaluate_every, state_.step)) evaluate_now();
  if (due(options_.sample_every, state_.step)) sample_now();
}

void Trainer::evaluate_now() {
  if (parts_.evaluation.target_count == 0) return;
  if (state_.evaluation && state_.evaluation->step == state_.step) return;
  const auto start = Clock::now();
  // Once a session would not do: a neighbour that has a core just then makes every share too high.
  parts_.peak.measure(kPeakMeasurement);
  const EvaluationResult result =
      evaluate(model_, parts_.evaluation, parts_.stop, [this] { recorder_.note_progress(); });
  model_.take_seconds();
  recorder_.summary().split.evaluation += seconds_since(start);
  state_.evaluation = {.step = state_.step, .result = result};
  recorder_.note_evaluation(*state_.evaluation, state_.tokens, parts_.peak.flops());
}

void Trainer::sample_now() {
  if (last_sampled_ == state_.step || parts_.stop.stop_requested()) return;
  const auto start = Clock::now();
  recorder_.note_sample(state_.step, parameters_.data());
  recorder_.summary().split.samples += seconds_since(start);
  last_sampled_ = state_.step;
}

void Trainer::save() {
  saver_.save(state_.step, [this](StreamState& stream) { return capture(stream); });
}

/// Everything that the next step reads.
CheckpointContent Trainer::capture(StreamState& stream) {
  stream = {};  // the one before would be a second copy
  stream = source_->state({});
  state_.log = recorder_.log_position();
  CheckpointContent content{
      .step = state_.step,
      .files = checkpoint_files(state_, model_.layout(), parameters_.data(), optimizer_, stream),
      .fingerprint = parts_.fingerprint,
      .configuration = parts_.configuration,
      .parent = parts_.parent};
  for (const FileContent& file : parts_.fixed_files) content.files.push_back(file);
  return content;
}

/// What was trained is not lost. The error that ended the run counts, not how this save went.
void Trainer::save_after_error() {
  try {
    save();
    saver_.wait();
  } catch (const std::exception& error) {
    log_error("checkpoint of step {} failed: {}", state_.step, error.what());
  }
}

/// The last save. Everything trained is on disk when this returns.
void Trainer::finish() {
  RunSummary& summary = recorder_.summary();
  recorder_.note_finishing(state_.step);
  try {
    if (summary.reason != EndReason::kStopped) {
      evaluate_now();
      sample_now();
    }
  } catch (const Stopped&) {
    summary.reason = EndReason::kStopped;
  }
  save();
  const auto start = Clock::now();
  saver_.wait();
  summary.split.checkpoint += seconds_since(start);
  if (saver_.last_good_step() == state_.step) return;
  if (!saver_.last_good_step())
    fail(ErrorKind::kRuntime, "the final checkpoint failed, and there is none before it");
  fail(ErrorKind::kRuntime, "the final checkpoint failed; the last good one is step {}",
       *saver_.last_good_step());
}

}  // namespace pretrain
