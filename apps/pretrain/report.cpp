// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/report.h"

#include <algorithm>
#include <cmath>

#include "apps/pretrain/limit_check.h"
#include "apps/pretrain/live_line.h"
#include "apps/pretrain/run_end.h"
#include "apps/pretrain/run_memory.h"
#include "apps/pretrain/shell_text.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/disk_room.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/model/parameters.h"
#include "libs/tensor/peak.h"
#include "libs/tensor/precision.h"
#include "pipeline/corpus/describe.h"
#include "pipeline/corpus/encoding.h"

namespace pretrain {
namespace {

uint64_t words_by_blanks(std::string_view text) {
  uint64_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    words += !blank && !inside ? 1 : 0;
    inside = !blank;
  }
  return words;
}

uint64_t rounded(double estimate) {
  return round_estimate(std::max(estimate, 0.0));
}

}  // namespace

TokenStatistics measure_tokens(const std::vector<std::string>& documents, const Tokenizer& tokenizer,
                               uint32_t context, uint64_t max_bytes) {
  TokenStatistics s;
  std::vector<uint32_t> ids;
  for (const std::string& document : documents) {
    if (s.bytes >= max_bytes) break;
    ids.clear();
    tokenizer.encode(document, ids);
    const uint64_t tokens = ids.size() + 1;  // and its end-of-text token
    s.shortest = s.documents == 0 ? tokens : std::min(s.shortest, tokens);
    s.longest = std::max(s.longest, tokens);
    s.longer_than_context += tokens > context ? 1 : 0;
    s.tokens += tokens;
    s.bytes += document.size();
    s.words += words_by_blanks(document);
    ++s.documents;
  }
  return s;
}

void report_corpus(const Catalog& catalog) {
  log_info("corpus: {}", describe_corpus(catalog));
  for (const std::string& warning : catalog.warnings) log_warning("{}", warning);
  constexpr size_t kShown = 12;
  const std::vector<std::string> rejected = describe_rejected(catalog);
  for (size_t i = 0; i < std::min(kShown, rejected.size()); ++i) log_warning("{}", rejected[i]);
  if (rejected.size() > kShown) log_warning("and more; pretrain inspect CORPUS lists all that is not read");
}

void report_tokens(const TokenStatistics& s, const Tokenizer& tokenizer, uint64_t text_bytes,
                   uint64_t epoch_tokens) {
  log_info("vocabulary: {}, {}", tokenizer.kind(), format_counted(tokenizer.vocabulary_size(), "piece"));
  if (s.documents == 0) return;
  // Some languages put no blanks between words; there a word count would be meaningless.
  constexpr uint64_t kLongestMean = 15;  // bytes
  const bool has_words = s.words > 0 && s.bytes / s.words < kLongestMean;
  const double words = has_words ? static_cast<double>(text_bytes) * static_cast<double>(s.words) /
                                       static_cast<double>(s.bytes)
                                 : 0;
  const std::string size = has_words ? format_counted(rounded(words), "word")
                                     : format_bytes(rounded(static_cast<double>(text_bytes)));
  log_info("text: about {}; an epoch is about {}", size,
           format_counted(rounded(static_cast<double>(epoch_tokens)), "token"));
}

void report_encoding(const TextSample& sample) {
  uint64_t bytes = 0;
  for (const std::string& document : sample.documents) bytes += document.size();
  if (!is_doubtful(sample.invalid_utf8, bytes)) return;
  log_warning(
      "sample: {:.2f} % of the text is not UTF-8 and is read as U+FFFD; pretrain inspect CORPUS names the file",
      100 * static_cast<double>(sample.invalid_utf8) / static_cast<double>(bytes));
}

void report_duplicates(const DuplicateShares& shares, const RunConfiguration& c) {
  constexpr uint64_t kFewDocuments = 20;  // of which shares say nothing
  constexpr double kMany = 5;             // percent
  if (shares.documents < kFewDocuments) return;
  const auto percent = [&](uint64_t count) {
    return 100 * static_cast<double>(count) / static_cast<double>(shares.documents);
  };
  std::string remedy;
  if (c.deduplication.mode != Deduplication::kNear && percent(shares.duplicates) >= kMany)
    remedy = "--deduplicate";
  if (c.corpus.min_words == 0 && percent(shares.few_words) >= kMany)
    remedy += fmt::format("{}--min-words {}", remedy.empty() ? "" : " ", DuplicateShares::kFewWords);
  log_info(
      "sample: {}; {:.1f} % repeat an earlier one, exactly or nearly; {:.1f} % have fewer than {} words{}",
      format_counted(shares.documents, "document"), percent(shares.duplicates), percent(shares.few_words),
      DuplicateShares::kFewWords, remedy.empty() ? "" : fmt::format("; to skip these: {}", remedy));
}

void report_model(const RunConfiguration& c, const ParameterLayout& layout) {
  const auto count = [](int64_t value) { return format_count(static_cast<uint64_t>(value)); };
  log_info("model: {}, vocabulary {}, context {}", format_counted(layout.parameter_count(), "parameter"),
           count(c.model.vocabulary), count(c.model.context));
  log_info("layers: {} of width {}, {}, MLP {}", count(c.model.layers), count(c.model.d_model),
           format_counted(static_cast<uint64_t>(c.model.heads), "head"), count(c.model.d_ff));
  std::string product = fmt::format("{} x {}", count(c.batch), count(c.model.context));
  if (c.trainer.accumulate > 1) product += fmt::format(" x {}", count(c.trainer.accumulate));
  const std::string slots = c.trainer.slots == 1 ? "" : fmt::format(" in {} slots", c.trainer.slots);
  log_info("step: {} = {}{}", product,
           format_counted(static_cast<uint64_t>(c.batch * c.model.context * c.trainer.accumulate), "token"),
           slots);
}

std::string kernel_name(std::string_view target, std::string_view products) {
  if (products == "tiles") return "AVX-512 and AMX";
  if (target.starts_with("AVX3")) return "AVX-512";
  if (target.starts_with("EMU") || target == "SCALAR") return "portable";
  return std::string(target);
}

std::string kernels_in_use(Precision precision) {
  return kernel_name(vector_target(), precision == Precision::kBf16 ? bf16_products() : "float32");
}

void report_place(const RunConfiguration& c) {
  log_info("run: {}", c.state_folder.string());
  if (c.machines.fabric != FabricKind::kMpi) {
    log_info("Ctrl-C saves and stops; continue with: {}", resume_command(c.state_folder));
    return;
  }
  log_info("pretrain stop --state {} saves and ends the job; continue with: {}",
           shell_word(c.state_folder.string()), command_to_continue(c));
}

namespace {

void warn_of_threads(const RunConfiguration& c, const Machine& machine) {
  const auto warn = [&](const char* key, int count) {
    if (count <= machine.cores) return;
    log_warning("--{} {} is more than the {} available to this program, which makes it slower", key, count,
                format_counted(static_cast<uint64_t>(machine.cores), "core"));
  };
  warn("threads", c.threads);
  warn("workers", c.workers);
}

/// Products of few rows leave cores idle (libs/tensor/NOTES.md).
void warn_of_small_slots(const RunConfiguration& c) {
  constexpr int64_t kFewTokens = 1024;
  const int64_t tokens = c.batch * c.trainer.accumulate * c.model.context / c.trainer.slots;
  if (c.trainer.slots == 1 || tokens >= kFewTokens) return;
  log_warning(
      "--slots {} leaves {} a slot, which is slow; {} or more are better: use fewer slots or a larger "
      "--batch",
      c.trainer.slots, format_counted(static_cast<uint64_t>(tokens), "token"), format_count(kFewTokens));
}

/// Each file takes an inode, so small ones may fill a disk with space left. No refusal, because some network file systems
/// tell a wrong number.
void warn_of_few_files(const Path& folder, uint64_t checkpoints) {
  constexpr uint64_t kFilesOfOne = 16;  // with its folder; 11 without shards
  const auto free = free_files(nearest_existing(folder));
  if (!free || *free >= checkpoints * kFilesOfOne) return;
  log_warning(
      "{} has room for {}, but {} may need {}; remove files (df -i shows how many there are), or saves may fail",
      folder.string(), format_counted(*free, "more file"), format_counted(checkpoints, "checkpoint"),
      format_count(checkpoints * kFilesOfOne));
}

/// Existing checkpoints count towards those to keep. One more must always fit, because it is complete before an
/// older one is removed.
void check_disk(const RunConfiguration& c, uint64_t checkpoint) {
  const uint64_t free = free_disk_bytes(nearest_existing(checkpoints_folder(c.state_folder)));
  log_info("disk: up to {} a checkpoint, {} kept; {} free", format_bytes(checkpoint), c.store.keep,
           format_bytes(free));
  const uint64_t wanted = c.store.keep + 1, known = list_checkpoints(c.state_folder).size();
  const uint64_t more = std::max(wanted - std::min(wanted, known), uint64_t{1});
  warn_of_few_files(checkpoints_folder(c.state_folder), more);
  if (free >= more * checkpoint) return;
  const std::string folder = checkpoints_folder(c.state_folder).string();
  if (known > 0) {
    return log_warning(
        "{} has {} free, but there must be room for {} of up to {}; free some space, or saves may fail",
        folder, format_bytes(free), format_counted(more, "more checkpoint"), format_bytes(checkpoint));
  }
  fail(ErrorKind::kUsage,
       "{} has {} free, but {} checkpoints of {} need {}; free some space or use another --state", folder,
       format_bytes(free), more, format_bytes(checkpoint), format_bytes(more * checkpoint));
}

}  // namespace

void check_resources(const RunConfiguration& c, const ParameterLayout& layout, const Machine& machine) {
  warn_of_threads(c, machine);
  warn_of_small_slots(c);
  const RunMemory memory = plan_run_memory(c, layout);
  const bool begun = !list_checkpoints(c.state_folder).empty();
  log_info("memory: {} at most; {} of {} available", format_bytes(memory.total()),
           format_bytes(machine.available_bytes), format_bytes(machine.memory_bytes));
  if (memory.total() > machine.available_bytes) {
    fail(ErrorKind::kUsage,
         "the run needs {} of memory (model and optimizer {}, one pass {}, text {}) but {} are available; {}",
         format_bytes(memory.total()), format_bytes(memory.model()),
         format_bytes(memory.pass.activations + memory.pass.scratch), format_bytes(memory.loading.total()),
         format_bytes(machine.available_bytes), memory_remedy(c, machine.available_bytes, begun));
  }
  const uint64_t weights = layout.flat_size() * sizeof(float);
  check_disk(c, weights + memory.optimizer_file + memory.loading.state + 4_MiB);
  check_process_limits(
      {.memory_bytes = memory.total() - memory.program,
       .model_bytes = static_cast<uint64_t>(layout.parameter_count()) * sizeof(float),
       .optimizer_bytes = memory.optimizer_file,
       .stream_bytes = memory.loading.state,
       .files = open_files_of(c),
       .memory_remedy = [&](uint64_t left) { return memory_remedy(c, left + memory.program, begun); }},
      process_limits());
}

namespace {

void report_time(const RunSummary& s) {
  const TimeSplit& t = s.split;
  const double named =
      t.forward + t.backward + t.optimizer + t.data_wait + t.checkpoint + t.evaluation + t.samples;
  const auto share = [&](double seconds) { return s.seconds > 0 ? 100 * seconds / s.seconds : 0; };
  log_info("time: forward {:.1f} %, backward {:.1f} %, optimizer {:.1f} %, waiting {:.2f} %",
           share(t.forward), share(t.backward), share(t.optimizer), share(t.data_wait));
  log_info("      checkpoints {:.2f} %, evaluation {:.1f} %, samples {:.1f} %, rest {:.1f} %",
           share(t.checkpoint), share(t.evaluation), share(t.samples),
           share(std::max(0.0, s.seconds - named)));
}

void report_skips(const SourceStatus& source) {
  std::string skips;
  for (const auto& [reason, count] : source.skips) {
    skips += fmt::format("{}{} {}", skips.empty() ? "" : ", ", format_count(count), reason);
  }
  // What was trained before a first document ended is a part of it.
  log_info("documents read: {}{}{}", source.documents > 0 ? format_count(source.documents) : "a part of one",
           skips.empty() ? "" : "; skipped: ", skips);
  if (source.invalid_utf8 > 0)
    log_info("malformed UTF-8 replaced: {}", format_counted(source.invalid_utf8, "time"));
}

}  // namespace

std::string validation_text(const RunSummary& s) {
  std::string text;
  const auto add = [&](const std::optional<StepEvaluation>& evaluation) {
    if (!evaluation) return;
    text += fmt::format("{}{} at step {}", text.empty() ? "" : ", ", loss_text(evaluation->result.loss, 4),
                        format_count(evaluation->step));
  };
  add(s.first_evaluation);
  if (!s.first_evaluation || !s.last_evaluation || s.first_evaluation->step != s.last_evaluation->step)
    add(s.last_evaluation);
  if (!s.last_evaluation) return text;
  const EvaluationResult& last = s.last_evaluation->result;
  if (!std::isfinite(last.loss)) {
    text += " (the weights have overflown)";
  } else if (last.bits_per_byte > 0) {
    text += fmt::format(" ({:.3f} bits per byte)", last.bits_per_byte);
  }
  return text;
}

void ProgressLog::tell(const std::string& line) {
  constexpr std::chrono::seconds kPause{2};
  if (Clock::now() < next_) return;
  log_info("{}", line);
  next_ = Clock::now() + kPause;
}

namespace {

void report_speed(const RunSummary& s, const RunConfiguration& c, double peak_flops) {
  const double rate = static_cast<double>(s.tokens) / s.run.step_seconds;
  log_info("speed: {}, {:.1f} % of the peak of {:.0f} GFLOP/s", format_rate(rate),
           100 * rate * flops_per_token(c.model) / peak_flops, peak_flops / 1e9);
  log_info("memory: {} at most", format_bytes(peak_resident_bytes()));
}

/// What a run with a budget was planned to reach, next to what it has reached.
void report_plan(const RunSummary& s) {
  if (!s.run.plan) return;
  const PlannedEnd& plan = *s.run.plan;
  const auto text = [](double seconds) {
    return format_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(std::round(seconds))));
  };
  log_info("plan: {:.3f} bits per byte were predicted, give or take {:.2f}; {} of {} are spent",
           plan.bits_per_byte, plan.uncertainty, text(plan.spent_seconds), text(plan.budget_seconds));
}

void report_next(const RunSummary& s, const RunConfiguration& c) {
  const std::string state = shell_word(c.state_folder.string());
  log_info(
      "model: {}",
      (checkpoints_folder(c.state_folder) / checkpoint_name(s.saved_step.value_or(s.last_step))).string());
  log_info("generate text: pretrain generate --checkpoint {} --prompt 'The history of'", state);
  log_info("train further: {}", command_to_continue(c, raised_limits(s, c)));
}

}  // namespace

void report_summary(const RunSummary& s, const RunConfiguration& c, double peak_flops) {
  if (const std::string nothing = nothing_to_do(s, c); !nothing.empty()) {
    log_info("{}; continue with: {}", nothing, command_to_continue(c, raised_limits(s, c)));
    return;
  }
  const uint64_t steps = s.last_step - std::min(s.first_step, s.last_step);
  const auto seconds = std::chrono::duration<double>(s.seconds);
  log_info("{} at step {}: {}, {} in {}", reason_of_end(s, c), format_count(s.last_step),
           format_counted(steps, "step"), format_counted(s.tokens, "token"),
           format_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(seconds)));
  if (s.tokens > 0) {
    report_speed(s, c, peak_flops);
    report_time(s);
    report_skips(s.source);
  }
  report_losses(s);
  if (const std::string text = validation_text(s); s.tokens > 0 && !text.empty())
    log_info("validation loss: {}", text);
  report_plan(s);
  report_next(s, c);
}

}  // namespace pretrain
