// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/inspect_corpus.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "apps/pretrain/idle_reading.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/output.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/terminal.h"
#include "libs/base/units.h"
#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/corpus/describe.h"
#include "pipeline/corpus/lost_templates.h"
#include "pipeline/corpus/scan.h"
#include "pipeline/corpus/utf8.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;

std::string time_of(double seconds) {
  return format_duration(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)));
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A progress bar on a terminal, redrawn at intervals and removed by the destructor.
class Progress {
 public:
  explicit Progress(std::string action) : action_(std::move(action)) {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() {
    if (shown_) clear_live_line();
  }

  /// `done` goes from 0 to 1.
  template <typename Details>
  void show(double done, const Details& details) {
    constexpr std::chrono::milliseconds kInterval{200};
    if (!live_ || (shown_ && Clock::now() - *shown_ < kInterval)) return;
    shown_ = Clock::now();
    std::string line = fmt::format("{} {} {:3.0f} %{}", action_, bar(done), 100 * done, details());
    const double seconds = seconds_since(start_);
    if (done > 0.01 && seconds > 1) line += fmt::format(", {} left", time_of(seconds * (1 - done) / done));
    show_live_line(std::move(line));
  }

 private:
  static std::string bar(double done) {
    constexpr size_t kWidth = 20;
    const auto full = static_cast<size_t>(std::clamp(done, 0.0, 1.0) * kWidth);
    return fmt::format("[{:#<{}}{:-<{}}]", "", full, "", kWidth - full);
  }

  std::string action_;
  bool live_ = error_is_terminal();
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> shown_;
};

void report_files(const Catalog& catalog) {
  print_line("{}", describe_corpus(catalog));
  for (const std::string& warning : catalog.warnings) print_line("  warning: {}", warning);
  for (const std::string& line : describe_rejected(catalog)) print_line("  {}", line);
}

void report_bzip2(const Catalog& catalog, const StopSignal& stop) {
  Progress progress("looking for bzip2 streams");
  Bzip2Counts all;
  for (const Shard& shard : catalog.shards) {
    if (shard.compression != Compression::kBzip2) continue;
    const auto show = [&](uint64_t done, uint64_t total) {
      progress.show(static_cast<double>(done) / static_cast<double>(std::max<uint64_t>(total, 1)),
                    [&] { return fmt::format(" of {}", shard.name); });
    };
    const Bzip2Counts counts = count_bzip2(ReadableFile(shard.path), {stop.token(), show});
    all.streams += counts.streams;
    all.blocks += counts.blocks;
  }
  if (all.blocks == 0) return;
  print_line("bzip2: {}, {}", count_of(all.streams, "stream"), count_of(all.blocks, "block"));
}

void show_documents(const CorpusQuestion& question, const Catalog& catalog, const StopSignal& stop) {
  const uint64_t shown =
      show_pages(question.corpus, catalog, question.shown, stop.token(), [](const Record& record) {
        print_text("--- wikitext of {}:\n{}\n--- document:\n{}\n---\n", record.title, record.wikitext,
                   record.text);
      });
  if (shown == 0) log_warning("--show {}: the corpus has no MediaWiki page to show", question.shown);
}

/// "3 calls in 1,200 sentences, 1 in 400; 2 with their sentence" or "none in 1,200 sentences". A dropped sentence counts once for each call in it.
std::string share_of(const LostTemplateCounts& counts) {
  const uint64_t sentences = counts.sentences + counts.with_sentence;
  if (counts.calls == 0) return fmt::format("none in {}", count_of(sentences, "sentence"));
  return fmt::format("{} in {}, 1 in {}; {} with their sentence", count_of(counts.calls, "call"),
                     count_of(sentences, "sentence"), format_count(sentences / counts.calls),
                     format_count(counts.with_sentence));
}

void report_lost_templates(const CorpusQuestion& question, const Catalog& catalog, const StopSignal& stop) {
  const LostTemplateCounts counts = count_lost_templates(question.corpus, catalog, stop.token());
  print_line("templates without a rule, lost from running text: {}", share_of(counts));
  for (const LostTemplateCount& lost : counts.templates)
    print_line("  {:>7} {}: {}", format_count(lost.calls), lost.name, lost.context);
  if (counts.calls > 0)
    print_line("--template-rules FILE adds rules; libs/wikitext/RULES.md describes such a file");
}

/// The counts of an epoch, up to its end or up to `failure`.
struct EpochCount {
  uint64_t characters = 0;
  uint64_t tokens = 0;
  std::map<SkipReason, Skip> first_skips;
  std::map<std::string, uint64_t> invalid_utf8;  ///< malformed byte runs that are replaced, by file
  double seconds = 0;
  std::exception_ptr failure;
};

uint64_t count_characters(std::string_view text) {
  return static_cast<uint64_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

void count_ticket(Ticket& ticket, const Tokenizer* tokenizer, EpochCount& count) {
  for (const Skip& skip : ticket.skips) count.first_skips.try_emplace(skip.cause.reason, skip);
  std::vector<uint32_t> ids;
  for (TextPiece& piece : ticket.pieces) {
    const uint64_t replaced = piece.invalid_utf8 + repair_utf8(piece.text);
    if (replaced > 0) count.invalid_utf8[ticket.catalog->shards[piece.place.shard].name] += replaced;
    count.characters += count_characters(piece.text);
    count.tokens += piece.ends_document ? 1 : 0;  // its end-of-text token
    if (tokenizer == nullptr) continue;
    ids.clear();
    tokenizer->encode(piece.text, ids);
    count.tokens += ids.size();
  }
}

EpochCount read_epoch(CorpusReader& reader, const Tokenizer* tokenizer) {
  EpochCount count;
  Progress progress("reading");
  const auto start = Clock::now();
  try {
    for (bool ended = false; !ended;) {
      std::optional<Ticket> ticket = reader.next();
      if (!ticket) break;
      ended = ticket->ends_epoch;
      count_ticket(*ticket, tokenizer, count);
      progress.show(reader.epoch_progress(), [&] {
        return fmt::format(", {}, {} of text", count_of(reader.statistics().documents, "document"),
                           format_bytes(reader.statistics().text_bytes));
      });
    }
  } catch (const Error&) {
    count.failure = std::current_exception();
  } catch (const Stopped&) {
    count.failure = std::current_exception();
  }
  count.seconds = seconds_since(start);
  return count;
}

/// " (Category)": the namespace's name from the first dump that has it.
std::string namespace_name(const Catalog& catalog, int page_namespace) {
  if (page_namespace == 0) return " (articles)";
  for (const Shard& shard : catalog.shards) {
    const auto found = shard.site.wiki.namespaces.find(page_namespace);
    if (found != shard.site.wiki.namespaces.end()) return fmt::format(" ({})", found->second);
  }
  return "";
}

/// "2 no text, the first at byte 100 of x.jsonl". Some causes have more to say than their reason.
std::string skips_text(SkipReason reason, uint64_t skips, const EpochCount& count) {
  std::string text = fmt::format("{} {}", format_count(skips), reason_text(reason));
  const auto first = count.first_skips.find(reason);
  if (first == count.first_skips.end()) return text;
  const Skip& skip = first->second;
  text += fmt::format(", the first at byte {} of {}", skip.offset, skip.shard);
  if (skip.cause.text != reason_text(reason)) text += ": " + skip.cause.text;
  return text;
}

void report_invalid_utf8(const EpochCount& count) {
  if (count.invalid_utf8.empty()) return;
  uint64_t places = 0;
  for (const auto& [file, replaced] : count.invalid_utf8) places += replaced;
  const auto most =
      std::ranges::max_element(count.invalid_utf8, {}, [](const auto& file) { return file.second; });
  print_line("  not UTF-8, read as U+FFFD: {} in {}, most in {}", count_of(places, "place"),
             count_of(count.invalid_utf8.size(), "file"), most->first);
}

void report_text(const Catalog& catalog, const ReadStatistics& statistics, const EpochCount& count) {
  print_line("{}, {} of text, {}", count_of(statistics.documents, "document"),
             format_bytes(statistics.text_bytes), count_of(count.characters, "character"));
  for (const auto& [page_namespace, pages] : statistics.pages) {
    print_line("  pages in namespace {}{}: {}", page_namespace, namespace_name(catalog, page_namespace),
               format_count(pages));
  }
  if (!statistics.pages.empty())
    print_line("  redirects in all namespaces: {}", format_count(statistics.redirects));
  for (const auto& [reason, skips] : statistics.skips) {
    print_line("  skipped: {}", skips_text(reason, skips, count));
  }
  report_invalid_utf8(count);
}

void report_tokens(const CorpusQuestion& question, const ReadStatistics& statistics,
                   const EpochCount& count) {
  constexpr double kUsualBytesPerToken = 4.2;  // English with a vocabulary of 16,000
  const bool counted = !question.tokenizer.empty();
  // Without a tokenizer, only the end-of-text tokens were counted.
  const double estimate =
      static_cast<double>(statistics.text_bytes) / kUsualBytesPerToken + static_cast<double>(count.tokens);
  const uint64_t tokens = counted ? count.tokens : round_estimate(estimate);
  print_line("{}{} an epoch{}", counted ? "" : "about ", count_of(tokens, "token"),
             counted ? "" : ", estimated at 4.2 bytes each; --tokenizer FILE counts them exactly");
  if (question.tokens_per_second) {
    print_line("an epoch takes {} at {} tokens/s",
               time_of(static_cast<double>(tokens) / *question.tokens_per_second),
               *question.tokens_per_second);
  } else {
    print_line("add --tokens-per-second N to estimate the training time of an epoch");
  }
  constexpr double kTooShortToTell = 0.01;
  if (count.seconds < kTooShortToTell) return;
  print_line("read{} in {}, {:.1f} MB/s of text by one thread", counted ? " and tokenized" : "",
             time_of(count.seconds), static_cast<double>(statistics.text_bytes) / 1e6 / count.seconds);
}

}  // namespace

void inspect_corpus(const CorpusQuestion& question, const StopSignal& stop) {
  std::optional<Tokenizer> tokenizer;
  if (!question.tokenizer.empty()) tokenizer = open_tokenizer(question.tokenizer);
  const Catalog catalog = scan_corpus(question.corpus, nullptr, {.stop = stop.token()});
  report_files(catalog);
  report_idle_reading(question.corpus, catalog);
  std::fflush(stdout);
  if (question.shown > 0) show_documents(question, catalog, stop);
  if (question.lost_templates) report_lost_templates(question, catalog, stop);
  report_bzip2(catalog, stop);
  std::fflush(stdout);
  CorpusReader reader(question.corpus, catalog, {}, Role::kTraining, {.stop = stop.token()});
  const EpochCount count = read_epoch(reader, tokenizer ? &*tokenizer : nullptr);
  const ReadStatistics& statistics = reader.statistics();
  if (count.failure && statistics.text_bytes > 0)
    print_line("{}so far:", stop.requested() ? "stopped on request; " : "");
  report_text(catalog, statistics, count);
  std::fflush(stdout);
  if (stop.requested() && count.failure) return;
  if (statistics.text_bytes == 0)
    fail(ErrorKind::kData, "{} has no text to train on; use other files or --namespaces",
         question.corpus.inputs.front().string());
  if (count.failure) std::rethrow_exception(count.failure);
  report_tokens(question, statistics, count);
}

}  // namespace pretrain
