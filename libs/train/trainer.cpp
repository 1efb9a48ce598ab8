// SPDX-License-Identifier: Apache-2.0
#include "libs/train/trainer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/units.h"
#include "libs/model/initialization.h"
#include "libs/model/parameters.h"
#include "libs/train/evaluation_plan.h"
#include "libs/train/global_batch.h"

namespace pretrain {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool due(uint64_t every, uint64_t step) {
  return every > 0 && step % every == 0;
}

/// As the record of a session's end names it.
std::string name_of(EndReason reason) {
  if (reason == EndReason::kLimit) return "limit";
  return reason == EndReason::kStopped ? "stopped" : "text_ended";
}

}  // namespace

Trainer::Trainer(TrainerParts parts, const TrainerOptions& options)
    : parts_(std::move(parts)),
      options_(options),
      model_(parts_.compute, {parts_.model, options.micro_rows, true, options.recompute, options.precision}),
      parameters_(model_.layout().flat_size()),
      optimizer_(parts_.compute, model_.layout(), make_optimizers(model_.layout(), options.optimizer)),
      pass_(parts_.compute, model_, options.slots, options.exchange),
      recorder_(parts_.files, parts_.state_folder, parts_.observers, parts_.machine_use),
      saver_({.store = parts_.store,
              .recorder = recorder_,
              .take_request = [this] { return save_is_requested(); },
              .on_step_saved =
                  [this](uint64_t step) {
                    step_maker_->note_saved(step);
                    state_.guard.forget_up_to(step);
                    history_.forget_up_to(step);
                  },
              .place = parts_.state_folder},
             {.interval = options.checkpoint_interval, .every = options.checkpoint_every}) {
  model_.set_probe(parts_.probe);
  step_maker_ = std::make_unique<OwnSteps>(pass_);
  if (!parts_.open_step_maker) return;
  step_maker_ = parts_.open_step_maker(
      replica(), [this](const MachineEvent& event) { recorder_.note_machine(state_.step, event); });
}

Trainer::~Trainer() = default;

/// use_parameters() packs the weights for the kernels: it follows each change of the parameters.
void Trainer::initialize(uint64_t seed) {
  initialize_parameters(parts_.compute, model_.layout(), seed, parameters_.data(), options_.output_start);
  model_.use_parameters(parameters_.data());
  state_.skips = options_.skips;
}

Replica Trainer::replica() {
  return {.compute = parts_.compute,
          .model = model_,
          .parameters = parameters_.span(),
          .optimizer = optimizer_,
          .pass = pass_,
          .gradient_clip = options_.optimizer.gradient_clip};
}

/// The source is opened later, in run(), because a return to a checkpoint must close the old one first.
void Trainer::load(const Checkpoint& checkpoint) {
  loaded_stream_.emplace();
  load_checkpoint(checkpoint, model_.layout(), parameters_.data(), optimizer_, state_, *loaded_stream_);
  note_loaded(checkpoint);
}

/// What follows from what was read.
void Trainer::note_loaded(const Checkpoint& checkpoint) {
  model_.use_parameters(parameters_.data());
  step_maker_->note_replaced_state(options_.keeps_newer_state ? state_.machines_state : 0);
  state_.skips.add(options_.skips);
  on_disk_ = state_.step;
  saved_at_ = created_at(checkpoint.manifest);
  bad_stretch_.end();
  if (!state_.guard.in_a_row.empty()) bad_stretch_.begin(state_);  // earlier versions saved within a stretch
}

/// Keeps the numbers that limits count (step, tokens), and drops what belongs to the parent's history.
void Trainer::branch(const Checkpoint& parent, const Inheritance& taken) {
  if (taken.optimizer) {
    load(parent);
  } else {
    loaded_stream_.emplace();
    load_without_optimizer(parent, model_.layout(), parameters_.data(), state_, *loaded_stream_);
    note_loaded(parent);
  }
  if (!taken.stream) {
    loaded_stream_.reset();
    state_.skips = options_.skips;  // the parent's refer to its own stream
  }
  state_.log = {};
  state_.evaluation.reset();
  state_.first_evaluation.reset();
  bad_stretch_.end();
  // With other keys, the steps that failed in the parent may succeed.
  state_.guard.in_a_row.clear();
  state_.guard.recorded.clear();
  on_disk_.reset();
  saved_at_.reset();
}

/// Only the weights: the run counts from step 0, with moments of zero and a stream of its own.
void Trainer::initialize_from(const Checkpoint& parent) {
  load_parameters(parent.folder, model_.layout(), parameters_.data());
  model_.use_parameters(parameters_.data());
}

void Trainer::initialize_with(const std::function<void(float* parameters)>& fill) {
  fill(parameters_.data());
  model_.use_parameters(parameters_.data());
  state_.skips = options_.skips;
}

/// Each session leaves one record of its end, also where an exception ends it.
RunSummary Trainer::run() {
  try {
    RunSummary summary = run_to_end();
    record_end(name_of(summary.reason), "");
    return summary;
  } catch (const Stopped&) {
    record_end(name_of(EndReason::kStopped), "");
    throw;
  } catch (const std::exception& error) {
    record_end("failed", error.what());
    throw;
  }
}

/// Any error but Diverged is followed by a save, so that the steps since the last checkpoint are not lost.
RunSummary Trainer::run_to_end() {
  RunSummary& summary = recorder_.summary();
  summary.first_step = summary.last_step = state_.step;
  session_start_ = Clock::now();
  begin_budget();
  saver_.begin_session(on_disk_);
  open_log();
  begin_session();
  record_session();
  source_ = parts_.open_source(loaded_stream_ ? &*loaded_stream_ : nullptr);
  loaded_stream_.reset();
  try {
    summary.reason = conclude(train());
  } catch (const Diverged&) {
    throw;
  } catch (...) {
    save_after_error();
    throw;
  }
  finish();
  step_maker_->end(summary.reason == EndReason::kStopped ? "stopped" : "finished");
  summary.seconds = seconds_since(session_start_);
  summary.first_evaluation = state_.first_evaluation;
  summary.last_evaluation = state_.evaluation;
  summary.run = recorder_.snapshot();
  if (source_ != nullptr) summary.source = source_->status();
  return summary;
}

/// What a reader of the record needs to interpret the numbers of this session.
void Trainer::record_session() {
  nlohmann::json facts = parts_.session_facts;
  facts["steady_seconds"] = std::chrono::duration<double>(session_start_.time_since_epoch()).count();
  facts["resumed"] = on_disk_.has_value();
  facts["parameters"] = model_.layout().parameter_count();
  facts["precision"] = precision_name(options_.precision);
  facts["threads"] = parts_.compute.threads();
  facts["peak_flops"] = parts_.peak.flops();
  facts["limits"] = {{"steps", options_.max_steps},
                     {"tokens", options_.max_tokens},
                     {"epochs", options_.max_epochs},
                     {"seconds", std::chrono::duration<double>(options_.max_time).count()},
                     {"epoch_tokens", options_.epoch_tokens}};
  if (const TimeBudget& budget = options_.budget; budget.decides(options_.max_steps)) {
    facts["plan"] = {{"budget_seconds", std::chrono::duration<double>(budget.time).count()},
                     {"spent_seconds", spent_before_},
                     {"bits_per_byte", budget.bits_per_byte},
                     {"uncertainty", budget.uncertainty},
                     {"is_fixed", budget.is_fixed}};
  }
  recorder_.note_session(state_.step, state_.tokens, std::move(facts));
  recorder_.note_settings(state_.step, parts_.changed_options);
}

/// The stream may be closed already, by an error; then the summary has what it counted last.
void Trainer::record_end(const std::string& reason, const std::string& error) {
  recorder_.note_end({.reason = reason,
                      .error = error,
                      .step = state_.step,
                      .tokens = state_.tokens,
                      .saved_step = saver_.last_good_step(),
                      .seconds = seconds_since(session_start_),
                      .source = source_ != nullptr ? source_->status() : recorder_.summary().source});
}

void Trainer::begin_session() {
  KnownAtStart known{
      .step = state_.step, .tokens = state_.tokens, .validation = state_.evaluation, .saved_step = on_disk_};
  if (saved_at_) known.since_save = std::chrono::system_clock::now() - *saved_at_;
  recorder_.begin_session({.max_steps = options_.max_steps,
                           .max_tokens = options_.max_tokens,
                           .max_epochs = options_.max_epochs,
                           .epoch_tokens = options_.epoch_tokens,
                           .max_time = options_.max_time,
                           .budget = options_.budget,
                           .spent_seconds = spent_before_,
                           .evaluate_every = parts_.evaluation.target_count > 0 ? options_.evaluate_every : 0,
                           .sample_every = options_.sample_every},
                          known);
}

/// Continues the log. What the log has of this step, made after its checkpoint was saved, is not repeated.
void Trainer::open_log() {
  const KnownOfStep known = recorder_.open_log(state_.log, state_.step);
  if (known.sampled) last_sampled_ = state_.step;
  if (!known.evaluation) return;
  state_.evaluation = known.evaluation;
  if (!state_.first_evaluation) state_.first_evaluation = known.evaluation;
}

EndReason Trainer::train() {
  try {
    return loop();
  } catch (const Stopped&) {
    return EndReason::kStopped;
  }
}

/// One iteration per step: fetch, train or skip, then whatever is due. Saves a checkpoint before the first
/// step, so that there is always one to return to.
EndReason Trainer::loop() {
  if (!saver_.last_good_step()) save();
  obey_requests();
  take_newer_state();
  if (state_.step == 0 || !reached_limits().any()) catch_up();
  while (!reached_limits().any()) {
    obey_requests();
    if (parts_.stop.stop_requested()) throw Stopped();
    step_start_ = Clock::now();
    if (!fetch()) return EndReason::kStreamEnd;
    recorder_.note_ready();
    note_first_step();
    if (state_.skips.range_of(state_.step + 1)) {
      skip_step();
    } else {
      step();
    }
    do_what_is_due();
  }
  recorder_.summary().limits = reached_limits();
  return EndReason::kLimit;
}

/// All reached limits, not only the first, because a resume must raise each of them.
ReachedLimits Trainer::reached_limits() const {
  const uint64_t most = options_.budget.is_open() ? options_.budget.most_steps : options_.max_steps;
  return {.steps = most > 0 && state_.step >= most,
          .tokens = options_.max_tokens > 0 && state_.tokens >= options_.max_tokens,
          .time = options_.max_time.count() > 0 && Clock::now() - session_start_ >= options_.max_time};
}

/// A stop request waits until a started step has all its batches. At an error or the end of the stream, the
/// step uses the batches that have arrived.
bool Trainer::fetch() {
  batches_.resize(options_.batches_of(state_.step + 1));
  size_t got = 0;
  try {
    while (got < batches_.size()) {
      std::optional<Batch> batch = source_->next(got == 0 ? parts_.stop : std::stop_token());
      if (!batch) break;
      batches_[got++] = *std::move(batch);
    }
  } catch (...) {
    if (got == 0) throw;  // otherwise the source throws it again at the next step
  }
  batches_.resize(got);
  batches_pending_ = got > 0;
  return got > 0;
}

/// The wait for batches is no work of the model, so it is a time of its own.
void Trainer::step() {
  const double data_wait = seconds_since(step_start_);
  StepRecord record = train_step();
  record.data_wait_seconds = data_wait;
  finish_record(record);
  state_.trained_seconds += record.step_seconds;
  forward_seconds_ = record.pass.forward;
  recorder_.note_step(record, source_->status(), due(options_.log_every, record.step));
  judge(record);
}

/// Gradients may be computed while a save reads the parameters; only the update waits for it.
StepRecord Trainer::train_step() {
  const double learning_rate = options_.schedule.at(state_.step + 1);
  const StepResult result =
      step_maker_->make({.step = state_.step + 1, .learning_rate = learning_rate, .batches = batches_},
                        [this] { recorder_.note_progress(); });
  StepRecord record{.step = state_.step + 1,
                    .step_tokens = result.targets,
                    .epoch = batches_.back().epoch,
                    .loss = result.loss,
                    .learning_rate = learning_rate,
                    .gradient_norm = result.gradient_norm,
                    .applied = result.finite,
                    .pass = model_.take_seconds(),
                    .batch_hash = GlobalBatch(batches_).hash(),
                    .machines = result.machines,
                    .exchange_seconds = result.exchange_seconds,
                    .exchange_hidden_seconds = result.exchange_hidden_seconds};
  if (result.finite) record.checkpoint_wait_seconds = saver_.wait_until_sources_read();
  apply(result, record);
  record.tokens = state_.tokens;
  return record;
}

/// Parameters, moments and numbers change together; whole_ is false in between.
void Trainer::apply(const StepResult& result, StepRecord& record) {
  const auto start = Clock::now();
  whole_ = false;
  if (result.finite) update(replica(), result, record.learning_rate);
  count_step(result.finite, result.targets);
  whole_ = true;
  if (!result.finite) return;
  model_.use_parameters(parameters_.data());
  record.optimizer_seconds = seconds_since(start);
}

/// Counts a step, applied or not; its batches are consumed.
void Trainer::count_step(bool applied, uint64_t targets) {
  skipping_ = false;
  if (applied) {
    bad_stretch_.end();
  } else {
    if (!bad_stretch_.open()) {
      state_.log = recorder_.log_position();
      bad_stretch_.begin(state_);
    }
    bad_stretch_.hold(batches_);
  }
  ++state_.step;
  state_.tokens += targets;
  batches_pending_ = false;
}

/// Consumes the batches of a step that the user wants to skip, without training on them.
void Trainer::skip_step() {
  const GlobalBatch global(batches_);
  whole_ = false;
  if (bad_stretch_.open()) bad_stretch_.hold(batches_);
  skipping_ = true;
  ++state_.step;
  state_.tokens += global.targets();
  batches_pending_ = false;
  whole_ = true;
  const uint64_t hash = global.hash();
  audit_replay(state_.step, hash);
  recorder_.note_skipped_step({.step = state_.step,
                               .tokens = state_.tokens,
                               .epoch = batches_.back().epoch,
                               .batch_hash = hash,
                               .batches = batches_,
                               .documents = documents()});
}

std::vector<std::string> Trainer::documents() const {
  std::vector<std::string> documents;
  for (const Batch& batch : batches_) {
    for (std::string& document : source_->documents_of(batch)) documents.push_back(std::move(document));
  }
  return documents;
}

/// Utilisation is a share of the highest peak measured so far; later measurements may only raise it.
void Trainer::finish_record(StepRecord& record) const {
  record.step_seconds = seconds_since(step_start_);
  record.tokens_per_second = static_cast<double>(record.step_tokens) / record.step_seconds;
  record.utilization = flops_per_token(parts_.model) * record.tokens_per_second / parts_.peak.flops();
}

void Trainer::do_what_is_due() {
  saver_.collect();
  fix_steps_when_due();
  // No save within a stretch of bad steps: their cause may have changed the parameters too. None while steps are
  // skipped, because equal states would displace older checkpoints. And none at a limit: the last save follows the
  // last evaluation and has it.
  if (saver_.is_due(state_.step) && !bad_stretch_.open() && !skipping_ && !reached_limits().any()) save();
  if (evaluation_is_due(options_.evaluate_every, state_.step)) evaluate_between_steps();
  if (due(options_.sample_every, state_.step)) sample_now();
}

void Trainer::save() {
  saver_.save(state_.step, [this](StreamState& stream) { return capture(stream); });
}

/// The content of a checkpoint: everything that the next step reads.
CheckpointContent Trainer::capture(StreamState& stream) {
  stream = {};  // frees the previous one first, so that there are never two copies
  stream = source_->state(parts_.stop);
  if (!bad_stretch_.open()) state_.log = recorder_.log_position();
  keep_spent_seconds();
  state_.machines_state = step_maker_->state_id();
  CheckpointContent content{
      .step = state_.step,
      .files = checkpoint_files(state_, model_.layout(), parameters_.data(), optimizer_, stream),
      .fingerprint = parts_.fingerprint,
      .configuration = parts_.configuration,
      .parent = parts_.parent,
      .keeps_all_older = bad_stretch_.open() || skipping_};
  for (const FileContent& file : parts_.fixed_files) content.files.push_back(file);
  return content;
}

/// After training: makes the last evaluation and sample.
EndReason Trainer::conclude(EndReason reason) {
  recorder_.note_finishing(state_.step);
  const bool trained = state_.step != recorder_.summary().first_step;
  if (!whole_) return reason;
  try {
    if (reason != EndReason::kStopped && trained) {
      evaluate_now(parts_.stop);
      sample_now();
    }
  } catch (const Stopped&) {
    reason = EndReason::kStopped;
  }
  if (reason == EndReason::kStopped) evaluate_if_quick();
  return reason;
}

/// The last save. When this returns, everything trained is on disk.
void Trainer::finish() {
  const auto start = Clock::now();
  RunSummary& summary = recorder_.summary();
  const double before = summary.split.checkpoint;
  const bool is_to_be_saved = save_at_end();
  summary.split.checkpoint = before + seconds_since(start);  // includes what the saver itself counted of it
  summary.saved_step = saver_.last_good_step();
  if (!is_to_be_saved || saver_.last_good_step() == state_.step) return;
  const std::string why = recorder_.snapshot().failed_save;
  const std::string what = fmt::format("the final {}", why.empty() ? "checkpoint failed" : why);
  if (!saver_.last_good_step()) fail(ErrorKind::kRuntime, "{}; there is no earlier one", what);
  fail(ErrorKind::kRuntime, "{}; the last good one is step {}", what, format_count(*saver_.last_good_step()));
}

}  // namespace pretrain
