// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/session_setup.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "apps/pretrain/budget.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/head_of_run.h"
#include "apps/pretrain/idle_keys.h"
#include "apps/pretrain/idle_reading.h"
#include "apps/pretrain/initial_model.h"
#include "apps/pretrain/metrics_file.h"
#include "apps/pretrain/report.h"
#include "apps/pretrain/resume_changes.h"
#include "apps/pretrain/run_evaluation.h"
#include "apps/pretrain/same_run.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/rng.h"
#include "libs/base/units.h"
#include "libs/train/fingerprint.h"
#include "pipeline/corpus/sample.h"
#include "pipeline/corpus/scan.h"
#include "pipeline/seen_documents.h"
#include "tokenizer/vocabulary.h"

namespace pretrain {
namespace {

constexpr uint64_t kVocabularySampleBytes = 10'000'000;
/// Not an option: stored with the run so that a resume can show how long an epoch takes.
constexpr const char* kEpochTokens = "epoch-tokens";
constexpr uint64_t kStatisticsBytes = 500'000;
constexpr uint64_t kSampleSeedPurpose = 0x766f636162;  // "vocab"

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

/// The existing evaluation set: the run's own, or that of a branch's parent. An empty path if there is none.
Path known_evaluation(const Session& s) {
  if (!s.start.checkpoint) return {};
  if (!s.branch) return evaluation_file(s.config.state_folder);
  return s.branch->keeps_evaluation_set ? evaluation_file_of(s.branch->parent) : Path();
}

/// A failure from here on is that of a run whose options are known.
void prepare_notice(const Session& s) {
  if (s.failure == nullptr) return;
  s.failure->set_command(s.config.on_event, s.config.state_folder);
  if (s.start.checkpoint && (!s.branch || !s.branch->weights_only))
    s.failure->set_step(s.start.checkpoint->step);
}

}  // namespace

void configure_new(Session& s, const SessionRequest& request) {
  if (!s.values.empty()) return;
  s.initial = open_initial_model(request.given);
  s.values = resolve_new(request.given, s.initial ? &*s.initial : nullptr);
  if (has_budget(request.given)) s.values[kBudgetPlan] = request.given.at(kBudgetPlan);
  s.config = to_configuration(s.values);
  read_budget(s.values, s.config);
  report_idle_keys(request.given, s.values);
}

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

uint64_t epoch_tokens_of(const KeyValues& values) {
  const auto found = values.find(kEpochTokens);
  return found == values.end() ? 0 : parse_count(found->second).value_or(0);
}

}  // namespace pretrain
