// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/session.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include <tbb/global_control.h>

#include "apps/pretrain/branch.h"
#include "apps/pretrain/budget.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/console.h"
#include "apps/pretrain/head_of_run.h"
#include "apps/pretrain/idle_keys.h"
#include "apps/pretrain/idle_reading.h"
#include "apps/pretrain/initial_model.h"
#include "apps/pretrain/lost_checkpoints.h"
#include "apps/pretrain/metrics_file.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/report.h"
#include "apps/pretrain/resume_changes.h"
#include "apps/pretrain/run_end.h"
#include "apps/pretrain/run_evaluation.h"
#include "apps/pretrain/run_status.h"
#include "apps/pretrain/run_watch.h"
#include "apps/pretrain/same_run.h"
#include "apps/pretrain/sampler.h"
#include "apps/pretrain/service_reporter.h"
#include "apps/pretrain/session_start.h"
#include "apps/pretrain/state_folder.h"
#include "apps/pretrain/stop_reporter.h"
#include "apps/pretrain/terminal_curve.h"
#include "apps/pretrain/version.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/own_process.h"
#include "libs/base/quantity.h"
#include "libs/base/rng.h"
#include "libs/base/terminal.h"
#include "libs/base/units.h"
#include "libs/checkpoint/linked_place.h"
#include "libs/model/hugging_face_config.h"
#include "libs/tensor/peak.h"
#include "libs/train/checkpoint_state.h"
#include "libs/train/fingerprint.h"
#include "pipeline/corpus/sample.h"
#include "pipeline/corpus/scan.h"
#include "pipeline/evaluation_set.h"
#include "pipeline/skip_log.h"
#include "tokenizer/export.h"

namespace pretrain {
namespace {

constexpr uint64_t kVocabularySampleBytes = 10'000'000;
/// Not an option: stored with the run so that a resume can show how long an epoch takes.
constexpr const char* kEpochTokens = "epoch-tokens";
constexpr uint64_t kStatisticsBytes = 500'000;
constexpr uint64_t kSampleSeedPurpose = 0x766f636162;  // "vocab"

/// Everything that is decided before the first step.
struct Session {
  FileSystem& files = real_file_system();
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  ServiceReporter service;
  MpiWorld* job = nullptr;
  FailureNotice* failure = nullptr;
  std::optional<StateLock> lock;
  SessionStart start;
  KeyValues values;
  RunConfiguration config;
  std::optional<ModelOutline> initial;  // of a new run with --init-from
  std::unique_ptr<Tokenizer> tokenizer;
  Catalog catalog;  // of a new run; the checkpoint of a resumed one holds it
  EvaluationSet evaluation;
  Path evaluation_path;  // of the file that the set is read from
  std::optional<BranchPlan> branch;
  std::optional<SkipRanges> skips_to_keep;            // written to a file before the first step
  nlohmann::json parent = nlohmann::json::object();   // for the manifests
  nlohmann::json changed = nlohmann::json::object();  // options that a resume changed, for the record
  bool evaluation_is_kept = false;                    // in the state folder
  bool validation_corpus_moved = false;               // or is another one
};

/// The configuration of a new run. It depends on the command alone, so one that was made before the folder was
/// locked is still right.
void configure_new(Session& s, const SessionRequest& request) {
  if (!s.values.empty()) return;
  s.initial = open_initial_model(request.given);
  s.values = resolve_new(request.given, s.initial ? &*s.initial : nullptr);
  if (has_budget(request.given)) s.values[kBudgetPlan] = request.given.at(kBudgetPlan);
  s.config = to_configuration(s.values);
  read_budget(s.values, s.config);
  report_idle_keys(request.given, s.values);
}

/// Starts a new run in the place of one that was not trained yet.
void replace_untrained(Session& s, const SessionRequest& request) {
  s.start.checkpoint.reset();
  s.start.replaced = true;
  s.values.clear();
  configure_new(s, request);
}

/// The configuration of the session: that of the resumed run with the given changes, or a new one. A new run
/// may replace one that was not trained yet.
void configure(Session& s, const Path& state, const SessionRequest& request, const std::stop_token& stop) {
  const auto& checkpoint = s.start.checkpoint;
  if (!checkpoint) return configure_new(s, request);
  if (request.given.contains(kBudgetPlan)) return replace_untrained(s, request);  // planned for a new run
  try {
    check_budget_changes(from_json(checkpoint->manifest.configuration), request.given);
    KeyValues given = without_same_tokenizer(request.given, *checkpoint);
    const auto validation_corpus = take_moved_validation_corpus(given, *checkpoint);
    const KeyValues saved = from_json(checkpoint->manifest.configuration);
    s.values = merge_for_resume(saved, given);
    refuse_idle_keys(given, s.values, &saved);
    s.values["state"] = state.string();
    if (validation_corpus) s.values["validation-corpus"] = *validation_corpus;
    s.validation_corpus_moved = validation_corpus.has_value();
    s.config = to_configuration(s.values);
    read_budget(s.values, s.config);
    check_corpus(s.config, *checkpoint, stop);
    report_idle_keys(given, s.values, &saved);
  } catch (const Error& error) {
    if (!s.start.untrained || request.must_resume || error.kind() != ErrorKind::kUsage) throw;
    replace_untrained(s, request);
  }
}

std::unique_ptr<Tokenizer> make_tokenizer(Session& s, const std::vector<std::string>& sample,
                                          const std::stop_token& stop) {
  if (s.initial) return std::move(s.initial->tokenizer);
  if (!s.config.tokenizer_file.empty())
    return std::make_unique<Tokenizer>(open_tokenizer(s.config.tokenizer_file, s.config.tokenizer_changes));
  log_info("training a vocabulary of up to {} pieces from a sample of {}",
           format_count(s.config.vocabulary.pieces), format_bytes([&] {
             uint64_t bytes = 0;
             for (const std::string& document : sample) bytes += document.size();
             return bytes;
           }()));
  s.service.status("training the vocabulary");
  const auto progress = [&s, log = ProgressLog()](const std::string& line) mutable {
    s.service.note_other_work();
    log.tell(line);
  };
  return std::make_unique<Tokenizer>(
      Tokenizer::from_serialized(train_vocabulary(sample, s.config.vocabulary, progress, stop)));
}

std::string describe_end(const Schedule& schedule) {
  const auto name = row_of(kSchedules, schedule.kind).name;
  if (schedule.kind == ScheduleKind::kCosine)
    return fmt::format("the cosine schedule ends at step {}", format_count(schedule.total_steps));
  return fmt::format("the {} schedule ends at step {}; the rate falls to zero from {:.3g} at step {} on",
                     name, format_count(schedule.total_steps), schedule.scale * schedule.peak,
                     format_count(schedule.stable_until()));
}

/// A schedule that falls needs an end, which is decided once and stored with the run.
void fix_schedule(Session& s, uint64_t epoch_tokens) {
  if (fix_schedule_end(s.config, s.values, epoch_tokens))
    log_info("{}", describe_end(s.config.trainer.schedule));
}

ScanHooks scan_hooks(Session& s, const std::stop_token& stop) {
  return {.stop = stop, .on_file = [&s] { s.service.note_other_work(); }};
}

/// A corpus of one short document may be held out as a whole.
void require_text(const TextSample& sample) {
  if (!sample.documents.empty() || !sample.found_held_out) return;
  fail(ErrorKind::kData,
       "no text is left to train on: all of the corpus is held out for validation; add text, or give "
       "--validation-fraction 0");
}

void prepare_fresh(Session& s, const std::stop_token& stop) {
  s.catalog = scan_corpus(s.config.corpus, nullptr, scan_hooks(s, stop));
  report_corpus(s.catalog);
  report_idle_reading(s.config.corpus, s.catalog);
  const TextSample sample = sample_text(s.config.corpus, s.catalog, kVocabularySampleBytes,
                                        derive_seed(s.config.seed, kSampleSeedPurpose), stop);
  require_text(sample);
  report_encoding(sample);
  report_duplicates(duplicate_shares(sample.documents), s.config);
  s.tokenizer = make_tokenizer(s, sample.documents, stop);
  s.config.model.vocabulary = s.tokenizer->vocabulary_size();
  const auto context = static_cast<uint32_t>(s.config.model.context);
  const TokenStatistics statistics =
      measure_tokens(sample.documents, *s.tokenizer, context, kStatisticsBytes);
  const double tokens_per_byte =
      static_cast<double>(statistics.tokens) / static_cast<double>(std::max<uint64_t>(statistics.bytes, 1));
  const double text_bytes = estimate_text_bytes(s.catalog, sample);
  const auto epoch_tokens = static_cast<uint64_t>(text_bytes * tokens_per_byte);
  report_tokens(statistics, *s.tokenizer, static_cast<uint64_t>(text_bytes), epoch_tokens);
  s.values[kEpochTokens] = std::to_string(epoch_tokens);
  fix_schedule(s, epoch_tokens);
}

EvaluationRequest evaluation_request(Session& s, const Catalog* catalog) {
  return {.config = s.config, .tokenizer = *s.tokenizer, .catalog = catalog, .on_progress = [&s] {
            s.service.note_other_work();
          }};
}

void prepare_resumed(Session& s, const std::stop_token& stop) {
  const Checkpoint& checkpoint = *s.start.checkpoint;
  const std::string difference =
      fingerprint_difference(checkpoint.manifest.fingerprint, machine_fingerprint());
  if (!difference.empty()) {
    log_warning("changed since the checkpoint: {}; the run continues, but results may not be bit-identical",
                difference);
  }
  s.tokenizer = std::make_unique<Tokenizer>(tokenizer_of(checkpoint));
  s.config.model.vocabulary = s.tokenizer->vocabulary_size();
  const Path evaluation = evaluation_file(s.config.state_folder);
  if (s.validation_corpus_moved && file_exists(evaluation)) {
    const EvaluationRequest request = evaluation_request(s, nullptr);
    check_validation_corpus(s.files, request, open_run_evaluation(evaluation, request, stop).hash, stop);
  }
}

/// A branch has its parent's vocabulary, and continues its parent's stream unless a changed key prevents
/// that.
void prepare_branch(Session& s, const std::stop_token& stop) {
  prepare_resumed(s, stop);
  const BranchPlan& plan = *s.branch;
  if (!plan.keeps_stream()) {
    s.catalog = scan_corpus(s.config.corpus, nullptr, scan_hooks(s, stop));
    report_corpus(s.catalog);
    report_idle_reading(s.config.corpus, s.catalog);
  }
  const Schedule& schedule = s.config.trainer.schedule;
  if (schedule.has_end() && plan.ends_anew) log_info("{}", describe_end(schedule));
}

void tell_start(const Session& s) {
  if (s.initial) log_info("starting with the weights of {}", s.initial->place.name());
  if (!s.start.checkpoint) return;
  const Checkpoint& checkpoint = *s.start.checkpoint;
  if (!s.branch) {
    log_info("continuing from step {} ({})", format_count(checkpoint.step), checkpoint.folder.string());
    return;
  }
  log_info("starting a branch from the {} of step {} ({})", s.branch->weights_only ? "weights" : "checkpoint",
           format_count(checkpoint.step), checkpoint.folder.string());
  if (!s.branch->keeps_optimizer && !s.branch->weights_only)
    log_info("the optimizer starts without its parent's moments (changed: --optimizer)");
  if (!s.branch->anew.empty())
    log_info("the text starts from the beginning (changed: --{})", fmt::join(s.branch->anew, ", --"));
}

/// The existing evaluation set: the run's own, or that of a branch's parent. An empty path if there is none.
Path known_evaluation(const Session& s) {
  if (!s.start.checkpoint) return {};
  if (!s.branch) return evaluation_file(s.config.state_folder);
  return s.branch->keeps_evaluation_set ? evaluation_file_of(s.branch->parent) : Path();
}

/// A new run keeps its set under a temporary name until its first checkpoint exists: a set without a
/// checkpoint would look like the remains of a lost run.
void prepare_evaluation(Session& s, const std::stop_token& stop) {
  const Path known = known_evaluation(s);
  const bool is_known = !known.empty() && file_exists(known);
  const bool is_scanned = !s.start.checkpoint || (s.branch && !s.branch->keeps_stream());
  s.evaluation_is_kept = is_known && !s.branch;
  const EvaluationRequest request = evaluation_request(s, is_scanned ? &s.catalog : nullptr);
  s.evaluation_path = is_known ? known : collected_evaluation_file(s.config.state_folder);
  if (!is_known) collect_run_evaluation(s.files, s.evaluation_path, request, stop);
  s.evaluation = open_run_evaluation(s.evaluation_path, request, stop);
  report_evaluation(s.config, s.evaluation);
}

std::vector<FileContent> fixed_files(const Session& s) {
  const uint32_t end_of_text = s.tokenizer->end_of_text();
  const auto context = static_cast<uint32_t>(s.config.model.context);
  std::vector<FileContent> files;
  files.push_back(
      {.name = "config.json", .data = hugging_face_config(s.config.model, end_of_text).dump(2) + "\n"});
  files.push_back({.name = "generation_config.json",
                   .data = hugging_face_generation_config(s.config.model, end_of_text).dump(2) + "\n"});
  if (s.tokenizer->byte_pairs() != nullptr)
    files.push_back({.name = std::string(s.tokenizer->file_name()), .data = s.tokenizer->serialized()});
  for (TokenizerFile& file : hugging_face_tokenizer(*s.tokenizer, context))
    files.push_back({.name = std::move(file.name), .data = std::move(file.text)});
  return files;
}

LoaderOptions loader_options(Session& s, SkipLog& skips) {
  const RunConfiguration& c = s.config;
  LoaderOptions options{.corpus = c.corpus,
                        .assembler = assembler_options(c, *s.tokenizer),
                        .workers = c.workers,
                        .queue_batches = c.queue};
  options.skip_log = &skips;
  options.on_scan = [&s] { s.service.note_other_work(); };
  options.on_seek = [&s](uint64_t done, uint64_t total) {
    s.service.note_other_work();
    log_info("skipping already consumed data: {} of {}", format_bytes(done), format_bytes(total));
  };
  return options;
}

/// Moves a new evaluation set to its final name once the run has a checkpoint.
class EvaluationKeeper : public TrainObserver {
 public:
  explicit EvaluationKeeper(Session& session) : session_(session) {}

  void on_saved(const SaveResult& result) override {
    if (!result.ok || session_.evaluation_is_kept) return;
    try {
      keep_evaluation_set(session_.files, session_.evaluation_path,
                          evaluation_file(session_.config.state_folder));
      session_.evaluation_is_kept = true;
    } catch (const Error& error) {
      log_warning("can't store the evaluation set ({}); will retry at the next checkpoint", error.what());
    }
  }

 private:
  Session& session_;
};

CheckpointStore open_store(const Session& s) {
  StoreOptions options = s.config.store;
  options.on_failed = report_failure;
  options.is_sick = is_of_a_run_in_trouble;
  options.lock = &*s.lock;
  return {s.files, s.config.state_folder, options};
}

/// Gives the trainer its initial state.
void begin(const Session& s, Trainer& trainer) {
  if (s.initial) {
    trainer.initialize_with(
        [&](float* parameters) { read_initial_weights(*s.initial, trainer.layout(), parameters); });
  } else if (!s.start.checkpoint) {
    trainer.initialize(s.config.seed);
  } else if (!s.branch) {
    trainer.load(*s.start.checkpoint);
  } else if (s.branch->weights_only) {
    trainer.initialize_from(*s.start.checkpoint);
  } else {
    trainer.branch(*s.start.checkpoint,
                   {.stream = s.branch->keeps_stream(), .optimizer = s.branch->keeps_optimizer});
  }
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

uint64_t epoch_tokens_of(const KeyValues& values) {
  const auto found = values.find(kEpochTokens);
  return found == values.end() ? 0 : parse_count(found->second).value_or(0);
}

/// What the record of a session says of the program, the machine and the configuration.
nlohmann::json session_facts(const Session& s) {
  const auto self = process_identity(process_number());
  return {{"version", program_version()},
          {"process", process_number()},
          {"process_start", self ? self->start_ticks : 0},
          {"boot", self ? self->boot : ""},
          {"model", model_name(s.config)},
          {"workers", s.config.workers},
          {"processor", inspect_machine().processor},
          {"kernels", kernels_in_use(s.config.trainer.precision)},
          {"configuration", to_json(s.values)}};
}

/// Writes run.ini for the user; the run itself only reads its checkpoints. A budget is left out: the file has all that it
/// decided, which would contradict it in another run.
void keep_configuration(const Session& s) {
  const Path file = s.config.state_folder / "run.ini";
  KeyValues values = s.values;
  if (has_budget(values)) values["budget"] = "";
  try {
    write_file_atomically(s.files, file, with_command_of_branch(to_ini(values), s.parent));
  } catch (const IoError& error) {
    log_warning("can't write run.ini ({}); the run continues", error.what());
  }
}

/// The steps of a run with a budget are fixed: the checkpoint that follows records them.
nlohmann::json record_steps(Session& s, const FixedSteps& fixed) {
  fix_budget_steps(s.values, fixed);
  s.config.trainer.max_steps = s.config.trainer.budget.steps = fixed.steps;
  s.config.trainer.schedule.total_steps = fixed.steps;
  s.config.trainer.schedule.warmup_steps = fixed.warmup;
  keep_configuration(s);
  return to_json(s.values);
}

RunSummary run_to_end(Trainer& trainer, const Session& s) {
  try {
    try {
      return trainer.run();
    } catch (const Diverged& diverged) {
      fail(diverged.kind(), "{}; {}", diverged.what(), ways_on(diverged.facts(), s.config));
    }
  } catch (...) {
    if (s.failure != nullptr) s.failure->set_step(std::as_const(trainer).step());
    throw;
  }
}

/// On a terminal, the curve of the whole run.
void show_curve(const Path& state) {
  constexpr size_t kIndentation = 2;  // of further lines of a log entry
  if (!error_is_terminal() || error_columns() <= kIndentation) return;
  try {
    const std::string curve = terminal_curve(
        read_run_record(state), {.columns = std::min<size_t>(error_columns(), 120) - kIndentation,
                                 .rows = 8,
                                 .utf8 = terminal_shows_utf8()});
    if (!curve.empty()) log_info("the whole run:\n{}", curve);
  } catch (const IoError& error) {
    log_warning("can't read the record of the run: {}", error.what());
  }
}

void report_machine(const RunConfiguration& c, const FmaPeak& peak) {
  const Precision precision = c.trainer.precision;
  log_info("machine: {}, {}, {}", inspect_machine().processor,
           format_counted(static_cast<uint64_t>(c.threads), "training thread"),
           format_counted(static_cast<uint64_t>(c.workers), "loader worker"));
  log_info("kernels: {}, {}, peak {:.0f} GFLOP/s", kernels_in_use(precision), precision_name(precision),
           peak.flops() / 1e9);
  report_place(c);
  if (precision == Precision::kBf16 && !multiplies_bf16()) {
    log_warning(
        "this processor has no bf16 instructions; emulating them with float32 is slower than --precision "
        "f32");
  }
}

/// The stream of batches: from this state of a checkpoint, or from the beginning if there is none.
std::unique_ptr<BatchSource> open_loader(Session& s, SkipLog& skips, const StreamState* state) {
  LoaderOptions options = loader_options(s, skips);
  const bool deduplicates = s.config.deduplication.mode != Deduplication::kOff;
  if (state == nullptr && deduplicates) options.evaluated = signatures_of(s.evaluation, *s.tokenizer);
  return std::make_unique<Loader>(std::move(options), *s.tokenizer, state ? Catalog{} : s.catalog, state);
}

TrainerOptions trainer_options(const Session& s) {
  TrainerOptions options = s.config.trainer;
  options.max_epochs = s.config.epochs;
  options.epoch_tokens = epoch_tokens_of(s.values);
  options.keeps_newer_state = !s.branch && !s.start.back_to && !s.skips_to_keep;
  options.budget.setup_seconds = seconds_since(s.began);
  return options;
}

/// The first change to the state folder, once the whole command has been checked and the trainer has its state.
void settle_in(Session& s, CheckpointStore& store, std::optional<SkipLog>& skips) {
  settle(s.files, s.config.state_folder, store, s.start);
  skips.emplace(s.files, skips_file(s.config.state_folder));
  if (s.skips_to_keep) save_skip_requests(s.files, s.config.state_folder, *s.skips_to_keep);
  tell_start(s);
  s.initial.reset();  // closes its files
  keep_configuration(s);
}

void train(Session& s, StopSignal& stop, StopReporter& stopping) {
  const RunConfiguration& c = s.config;
  const ParameterLayout layout(c.model);
  report_model(c, layout);
  check_resources(c, layout, inspect_machine());
  prepare_evaluation(s, stop.token());

  // By default oneTBB starts one thread per core; the loader's threads are in addition to the trainer's.
  const tbb::global_control threads(tbb::global_control::max_allowed_parallelism,
                                    static_cast<size_t>(c.threads + c.workers));
  Compute compute(c.threads);
  FmaPeak peak(compute, c.trainer.precision);
  peak.measure(std::chrono::milliseconds(200));
  report_machine(c, peak);

  CheckpointStore store = open_store(s);
  std::optional<HeadOfRun> head;
  if (c.machines.shared()) head.emplace(c, s.values, s.job);
  Console console(c.state_folder);
  Sampler sampler(compute, c.model, layout, *s.tokenizer,
                  {.prompts = c.sample_prompts,
                   .tokens = c.sample_tokens,
                   .seed = c.seed,
                   .stop = stop.token(),
                   .on_progress = [&s] { s.service.on_progress(); }});
  EvaluationKeeper evaluation_keeper(s);
  RunWatch watch(c, layout.parameter_count());
  std::optional<SkipLog> skips;
  std::vector<TrainObserver*> observers{&stopping, &console, &s.service, &evaluation_keeper};
  for (TrainObserver* observer : watch.observers()) observers.push_back(observer);
  Trainer trainer({.compute = compute,
                   .model = c.model,
                   .files = s.files,
                   .state_folder = c.state_folder,
                   .store = store,
                   .evaluation = s.evaluation,
                   .fixed_files = fixed_files(s),
                   .configuration = to_json(s.values),
                   .fingerprint = machine_fingerprint(),
                   .parent = s.parent,
                   .peak = peak,
                   .open_source = [&](const StreamState* state) { return open_loader(s, *skips, state); },
                   .observers = std::move(observers),
                   .stop = stop.token(),
                   .take_save_request = [&stop] { return stop.take_save_request(); },
                   .write_samples = [&](uint64_t step,
                                        const float* parameters) { return sampler.write(step, parameters); },
                   .control = &watch.control(),
                   .session_facts = session_facts(s),
                   .changed_options = s.changed,
                   .open_step_maker = head ? head->opener(stop.token()) : StepMakerOpener(),
                   .fix_steps = [&s](const FixedSteps& fixed) { return record_steps(s, fixed); },
                   .machine_use = [&watch] { return watch.machine_use(); }},
                  trainer_options(s));
  begin(s, trainer);
  settle_in(s, store, skips);
  watch.start();
  const RunSummary summary = run_to_end(trainer, s);
  stopping.set_saved();
  watch.note("ended", summary.last_step,
             fmt::format("{} at step {}", reason_of_end(summary, c), format_count(summary.last_step)));
  peak.measure(std::chrono::milliseconds(200));
  report_summary(summary, c, peak.flops());
  show_curve(c.state_folder);
}

/// A failure from here on is that of a run whose options are known.
void prepare_notice(const Session& s) {
  if (s.failure == nullptr) return;
  s.failure->set_command(s.config.on_event, s.config.state_folder);
  if (s.start.checkpoint && (!s.branch || !s.branch->weights_only))
    s.failure->set_step(s.start.checkpoint->step);
}

/// Names the run in the folder when it is suspended: to stop it, it has to continue.
StateLock lock_for_run(FileSystem& files, const Path& state) {
  try {
    return lock_state_folder(files, state);
  } catch (const FolderInUse&) {
    const auto process = suspended_process(state);
    if (!process) throw;
    throw FolderInUse(ErrorKind::kRuntime, fmt::format("{} is in use: {}, or use another state folder",
                                                       state.native(), RunSuspended(*process).what()));
  }
}

/// Continues the run in the locked folder, or starts a new one.
void begin_or_continue(Session& s, const Path& state, const SessionRequest& request,
                       const std::stop_token& stop) {
  s.start = look_for_start(state, request, stop);
  configure(s, state, request, stop);
  prepare_notice(s);
  check_machines(s.config, s.job);
  check_metrics_file(s.config.metrics_file);
  if (s.start.checkpoint) {
    s.initial.reset();
    s.parent = s.start.checkpoint->manifest.parent;
    s.config.trainer.skips = skips_of(state, request, s.start.checkpoint->step);
    if (request.from_step || !request.skips.empty()) s.skips_to_keep = s.config.trainer.skips;
    report_schedule(s.config, *s.start.checkpoint);
    s.changed = changed_options(complete(from_json(s.start.checkpoint->manifest.configuration)), s.values);
    prepare_resumed(s, stop);
  } else {
    s.skips_to_keep.emplace();  // drops those of an earlier run in this folder
    if (s.initial) s.parent = record_of(*s.initial);
    prepare_fresh(s, stop);
  }
}

/// Starts a new run in an empty folder from another run's checkpoint.
void begin_branch(Session& s, BranchPlan plan, const std::stop_token& stop) {
  s.start.checkpoint = plan.parent;
  s.values = plan.values;
  s.config = plan.config;
  s.parent = plan.record();
  s.branch = std::move(plan);
  prepare_notice(s);
  check_machines(s.config, s.job);
  check_metrics_file(s.config.metrics_file);
  prepare_branch(s, stop);
}

}  // namespace

void run_session(const SessionRequest& asked, StopSignal& stop) {
  StopReporter stopping(stop);
  Session s;
  const Path state = state_folder_of(asked.given);
  SessionRequest request = asked;
  s.job = request.job;
  s.failure = request.failure;
  // Report errors in the command before creating anything.
  require_linked_place(state);
  std::optional<BranchPlan> plan;
  if (request.branch) {
    plan = plan_branch(request, state, stop.token());
  } else {
    take_copy_if_lost(request, state, stop.token());
    check_request(state, request);
    plan_if_new(request, state, stop);
    if (list_checkpoints(state).empty()) configure_new(s, request);
  }
  s.lock = lock_for_run(s.files, state);
  check_can_save(s.files, state);
  if (plan) {
    begin_branch(s, std::move(*plan), stop.token());
  } else {
    begin_or_continue(s, state, request, stop.token());
  }
  if (s.start.checkpoint && !s.branch) stopping.set_checkpoint(s.start.checkpoint->step);
  if (s.branch && !s.branch->weights_only) stopping.set_step(s.start.checkpoint->step);
  train(s, stop, stopping);
}

}  // namespace pretrain
