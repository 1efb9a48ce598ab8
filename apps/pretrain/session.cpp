// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/session.h"

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include <tbb/global_control.h>

#include "apps/pretrain/budget.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/console.h"
#include "apps/pretrain/head_of_run.h"
#include "apps/pretrain/initial_model.h"
#include "apps/pretrain/lost_checkpoints.h"
#include "apps/pretrain/report.h"
#include "apps/pretrain/run_end.h"
#include "apps/pretrain/run_evaluation.h"
#include "apps/pretrain/run_status.h"
#include "apps/pretrain/run_watch.h"
#include "apps/pretrain/sampler.h"
#include "apps/pretrain/session_setup.h"
#include "apps/pretrain/state_folder.h"
#include "apps/pretrain/stop_reporter.h"
#include "apps/pretrain/terminal_curve.h"
#include "apps/pretrain/version.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/own_process.h"
#include "libs/base/quantity.h"
#include "libs/base/terminal.h"
#include "libs/base/units.h"
#include "libs/checkpoint/linked_place.h"
#include "libs/model/hugging_face_config.h"
#include "libs/tensor/peak.h"
#include "libs/train/checkpoint_state.h"
#include "libs/train/fingerprint.h"
#include "pipeline/evaluation_set.h"
#include "pipeline/skip_log.h"
#include "tokenizer/export.h"

namespace pretrain {
namespace {

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
