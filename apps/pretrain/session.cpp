#include "apps/pretrain/session.h"

#include <cmath>
#include <memory>

#include <tbb/global_control.h>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/console.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/report.h"
#include "apps/pretrain/service_reporter.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/rng.h"
#include "libs/base/units.h"
#include "libs/tensor/peak.h"
#include "libs/train/fingerprint.h"
#include "pipeline/corpus/sample.h"
#include "pipeline/evaluation_set.h"
#include "pipeline/skip_log.h"
#include "tokenizer/export.h"

namespace pretrain {
namespace {

constexpr uint64_t kVocabularySampleBytes = 10'000'000;
constexpr uint64_t kStatisticsBytes = 500'000;
constexpr uint64_t kSampleSeedPurpose = 0x766f636162;  // "vocab"

/// Everything that is decided before the first step.
struct Session {
  FileSystem& files = real_file_system();
  ServiceReporter service;
  KeyValues values;
  RunConfiguration config;
  std::optional<Checkpoint> checkpoint;
  std::unique_ptr<Tokenizer> tokenizer;
  Catalog catalog;  // of a fresh run; a resumed one has it in its stream
  EvaluationData evaluation;
};

Path evaluation_file(const Session& s) {
  return s.config.state_folder / "evaluation.safetensors";
}

void report_failure(const FailedCheckpoint& failed) {
  log_warning("checkpoint of step {} {}; {}", failed.step, failed.reason,
              failed.set_aside ? "set aside as " + failed.folder.string()
                               : "it stays where it is and does not count for --keep");
}

/// The checkpoint to continue from, if there is one.
std::optional<Checkpoint> find_checkpoint(FileSystem& files, const Path& state,
                                          const SessionRequest& request) {
  CheckpointStore store(files, state, {.on_failed = report_failure});
  if (request.from_step) {
    Checkpoint checkpoint =
        verify_checkpoint(checkpoints_folder(state) / checkpoint_name(*request.from_step));
    store.abandon_newer_than(*request.from_step);
    return checkpoint;
  }
  std::optional<Checkpoint> newest = store.newest_verified();
  if (!newest && request.must_resume) {
    fail(ErrorKind::kData,
         "{}: no checkpoint to resume from; start a run with pretrain --corpus PATH --state {}",
         state.string(), state.string());
  }
  return newest;
}

void configure(Session& s, const SessionRequest& request) {
  if (s.checkpoint) {
    s.values = merge_for_resume(from_json(s.checkpoint->manifest.configuration), request.given);
    s.values["state"] = state_folder_of(request.given).string();
  } else {
    s.values = resolve(request.given);
  }
  s.config = to_configuration(s.values);
}

std::unique_ptr<Tokenizer> make_tokenizer(Session& s, const std::vector<std::string>& sample,
                                          const std::stop_token& stop) {
  if (!s.config.tokenizer_file.empty())
    return std::make_unique<Tokenizer>(open_tokenizer(s.config.tokenizer_file));
  log_info("training a vocabulary of up to {} pieces from a sample of {}",
           format_count(s.config.vocabulary.pieces), format_bytes([&] {
             uint64_t bytes = 0;
             for (const std::string& document : sample) bytes += document.size();
             return bytes;
           }()));
  s.service.status("training the vocabulary");
  const auto progress = [&s, log = ProgressLog()](const std::string& line) mutable {
    s.service.note_start_work();
    log.tell(line);
  };
  return std::make_unique<Tokenizer>(
      Tokenizer::from_serialized(train_vocabulary(sample, s.config.vocabulary, progress, stop)));
}

/// A cosine needs to know its end; it is decided once and kept with the run.
void fix_schedule(Session& s, uint64_t epoch_tokens) {
  TrainerOptions& t = s.config.trainer;
  if (t.schedule.kind != ScheduleKind::kCosine || t.schedule.total_steps > 0) return;
  const double tokens_per_step = static_cast<double>(s.config.batch * s.config.model.context * t.accumulate);
  const double tokens = t.max_tokens > 0
                            ? static_cast<double>(t.max_tokens)
                            : static_cast<double>(s.config.epochs) * static_cast<double>(epoch_tokens);
  t.schedule.total_steps =
      t.max_steps > 0 ? t.max_steps : static_cast<uint64_t>(std::ceil(tokens / tokens_per_step));
  s.values["schedule-steps"] = std::to_string(t.schedule.total_steps);
  log_info("the cosine schedule ends at step {}", format_count(t.schedule.total_steps));
}

void prepare_fresh(Session& s, const std::stop_token& stop) {
  s.catalog = scan_corpus(s.config.corpus, nullptr, stop);
  report_corpus(s.catalog);
  const TextSample sample = sample_text(s.config.corpus, s.catalog, kVocabularySampleBytes,
                                        derive_seed(s.config.seed, kSampleSeedPurpose), stop);
  s.tokenizer = make_tokenizer(s, sample.documents, stop);
  s.config.model.vocabulary = s.tokenizer->vocabulary_size();
  const auto context = static_cast<uint32_t>(s.config.model.context);
  const TokenStatistics statistics =
      measure_tokens(sample.documents, *s.tokenizer, context, kStatisticsBytes);
  const double tokens_per_byte =
      static_cast<double>(statistics.tokens) / static_cast<double>(std::max<uint64_t>(statistics.bytes, 1));
  const auto epoch_tokens = static_cast<uint64_t>(estimate_text_bytes(s.catalog, sample) * tokens_per_byte);
  report_tokens(statistics, *s.tokenizer, context, epoch_tokens);
  fix_schedule(s, epoch_tokens);
}

void prepare_resumed(Session& s) {
  log_info("continuing from step {} ({})", format_count(s.checkpoint->step), s.checkpoint->folder.string());
  const std::string difference =
      fingerprint_difference(s.checkpoint->manifest.fingerprint, machine_fingerprint());
  if (!difference.empty()) {
    log_warning("not as when the checkpoint was written: {}; the run continues, but perhaps not bit for bit",
                difference);
  }
  s.tokenizer = std::make_unique<Tokenizer>(Tokenizer::from_file(s.checkpoint->folder / "tokenizer.model"));
  s.config.model.vocabulary = s.tokenizer->vocabulary_size();
}

void prepare_evaluation(Session& s, const std::stop_token& stop) {
  const auto context = static_cast<uint32_t>(s.config.model.context);
  if (s.checkpoint && file_exists(evaluation_file(s))) {
    s.evaluation = load_evaluation_set(evaluation_file(s), context);
  } else {
    const CorpusOptions& corpus = s.config.validation_corpus.value_or(s.config.corpus);
    CorpusOptions options = corpus;
    if (s.config.validation_corpus) options.validation_fraction = 1;  // all of it is held out
    const Catalog catalog =
        s.config.validation_corpus || s.checkpoint ? scan_corpus(options, nullptr, stop) : s.catalog;
    const uint64_t sequences = s.config.validation_tokens / context;
    s.evaluation = collect_evaluation_set(options, catalog, *s.tokenizer, context, sequences, stop);
    save_evaluation_set(s.files, evaluation_file(s), s.evaluation);
  }
  if (s.evaluation.target_count == 0) {
    log_warning(
        "no text is held out: there is no validation; raise --validation-fraction or name a "
        "--validation-corpus");
  } else {
    log_info("evaluation set: {} sequences, {} tokens, hash {}", format_count(s.evaluation.sequences()),
             format_count(s.evaluation.target_count), hash_of(s.evaluation));
  }
}

std::vector<FileContent> fixed_files(const Session& s) {
  const uint32_t end_of_text = s.tokenizer->end_of_text();
  const auto context = static_cast<uint32_t>(s.config.model.context);
  std::vector<FileContent> files;
  files.push_back(
      {.name = "config.json", .data = hugging_face_config(s.config.model, end_of_text).dump(2) + "\n"});
  files.push_back({.name = "generation_config.json",
                   .data = hugging_face_generation_config(s.config.model, end_of_text).dump(2) + "\n"});
  files.push_back({.name = "tokenizer.model", .data = s.tokenizer->serialized()});
  files.push_back({.name = "tokenizer.json", .data = hugging_face_tokenizer_json(*s.tokenizer)});
  files.push_back(
      {.name = "tokenizer_config.json", .data = hugging_face_tokenizer_config(*s.tokenizer, context)});
  return files;
}

LoaderOptions loader_options(Session& s, SkipLog& skips) {
  const RunConfiguration& c = s.config;
  LoaderOptions options{.corpus = c.corpus, .workers = c.workers, .queue_batches = c.queue};
  options.assembler.rows = c.batch;
  options.assembler.packing = c.packing;
  options.assembler.end_of_text = s.tokenizer->end_of_text();
  options.assembler.epochs = c.epochs;
  // A fiftieth of the buffer is mixed well enough to begin with, and is there within a second or two.
  constexpr uint64_t kStartShare = 50;
  options.assembler.buffer = {
      .capacity = c.shuffle_buffer,
      .minimum = std::min(c.shuffle_buffer,
                          std::max<uint64_t>(c.shuffle_buffer / kStartShare, static_cast<uint64_t>(c.batch))),
      .context = static_cast<uint32_t>(c.model.context),
      .vocabulary = s.tokenizer->vocabulary_size(),
      .seed = derive_seed(c.seed, 1)};
  options.on_skip = [&skips](const Skip& skip) { skips.add(skip); };
  options.on_seek = [&s](uint64_t done, uint64_t total) {
    s.service.note_start_work();
    log_info("passing over what was read before: {} of {}", format_bytes(done), format_bytes(total));
  };
  return options;
}

void train(Session& s, StopSignal& stop) {
  const RunConfiguration& c = s.config;
  const ParameterLayout layout(c.model);
  report_model(c, layout);
  check_resources(c, layout, inspect_machine());
  prepare_evaluation(s, stop.token());

  // oneTBB starts only as many threads as there are cores; the loader's come on top of the trainer's.
  const tbb::global_control threads(tbb::global_control::max_allowed_parallelism,
                                    static_cast<size_t>(c.threads + c.workers));
  Compute compute(c.threads);
  const Precision precision = c.trainer.precision;
  FmaPeak peak(compute, precision);
  peak.measure(std::chrono::milliseconds(200));
  log_info("machine: {}, {} training threads, {} loader workers, {} kernels, {}, peak {:.0f} GFLOP/s",
           inspect_machine().processor, c.threads, c.workers, vector_target(), precision_name(precision),
           peak.flops() / 1e9);
  if (precision == Precision::kBf16 && !multiplies_bf16()) {
    log_warning(
        "this processor does not multiply bf16: products of float32 stand in, slower than --precision f32");
  }

  StoreOptions store_options = c.store;
  store_options.on_failed = report_failure;
  CheckpointStore store(s.files, c.state_folder, store_options);
  Console console(compute, c.model, layout, *s.tokenizer,
                  {.max_steps = c.trainer.max_steps,
                   .max_tokens = c.trainer.max_tokens,
                   .max_time = c.trainer.max_time,
                   .sample_tokens = c.sample_tokens,
                   .seed = c.seed,
                   .stop = stop.token(),
                   .on_progress = [&s] { s.service.on_progress(); }});
  SkipLog skips(s.files, c.state_folder / "skipped.jsonl");
  const auto open_source = [&](const StreamState* state) {
    return std::make_unique<Loader>(loader_options(s, skips), *s.tokenizer, state ? Catalog{} : s.catalog,
                                    state);
  };
  Trainer trainer({.compute = compute,
                   .model = c.model,
                   .files = s.files,
                   .state_folder = c.state_folder,
                   .store = store,
                   .evaluation = s.evaluation,
                   .fixed_files = fixed_files(s),
                   .configuration = to_json(s.values),
                   .fingerprint = machine_fingerprint(),
                   .peak = peak,
                   .open_source = open_source,
                   .observers = {&console, &s.service},
                   .stop = stop.token(),
                   .take_save_request = [&stop] { return stop.take_save_request(); }},
                  c.trainer);
  if (s.checkpoint) {
    trainer.load(*s.checkpoint);
  } else {
    trainer.initialize(c.seed);
  }
  const RunSummary summary = trainer.run();
  peak.measure(std::chrono::milliseconds(200));
  report_summary(summary, console, c, peak.flops());
}

}  // namespace

void run_session(const SessionRequest& request, StopSignal& stop) {
  Session s;
  const Path state = state_folder_of(request.given);
  if (request.must_resume && !folder_exists(checkpoints_folder(state))) {
    fail(ErrorKind::kData,
         "{}: no run there; name its folder with --state, or start one with pretrain --corpus PATH",
         state.string());
  }
  // Faults of the command line show before anything is created.
  if (list_checkpoints(state).empty()) to_configuration(resolve(request.given));
  const StateLock lock = lock_state_folder(s.files, state);
  s.checkpoint = find_checkpoint(s.files, state, request);
  configure(s, request);
  if (s.checkpoint) {
    prepare_resumed(s);
  } else {
    prepare_fresh(s, stop.token());
  }
  train(s, stop);
}

}  // namespace pretrain
