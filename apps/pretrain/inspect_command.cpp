#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "apps/pretrain/command_line.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/model_folder.h"
#include "libs/base/error.h"
#include "libs/base/terminal.h"
#include "libs/base/units.h"
#include "libs/checkpoint/safetensors.h"
#include "pipeline/corpus/catalog.h"
#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/corpus/describe.h"
#include "pipeline/corpus/utf8.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {
namespace {

namespace po = boost::program_options;

void describe_checkpoint(const Checkpoint& checkpoint) {
  const Manifest& manifest = checkpoint.manifest;
  fmt::print("{}: checkpoint of step {}, every file verified\n", checkpoint.folder.string(),
             format_count(manifest.step));
  fmt::print("created {}, format version {}\n", manifest.created, manifest.format_version);
  uint64_t total = 0;
  for (const ManifestFile& file : manifest.files) {
    fmt::print("  {:24} {:>10}  {}\n", file.name, format_bytes(file.size_bytes), file.hash);
    total += file.size_bytes;
  }
  fmt::print("  {:24} {:>10}\n", "all", format_bytes(total));
  fmt::print("ran on:\n");
  for (const auto& [key, value] : manifest.fingerprint.items()) fmt::print("  {}: {}\n", key, value.dump());
  fmt::print("configuration:\n");
  for (const auto& [key, value] : manifest.configuration.items()) {
    if (value != "")
      fmt::print("  {} = {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
  }
}

void describe_state_folder(const Path& state) {
  for (const CheckpointEntry& entry : list_checkpoints(state)) {
    const CheckpointVerdict verdict = judge_checkpoint(entry.folder);
    fmt::print("step {}: {}\n", format_count(entry.step),
               verdict.checkpoint ? "verified" : "damaged: " + verdict.damage);
  }
  describe_checkpoint(open_checkpoint(state));
}

struct CorpusQuestion {
  CorpusOptions corpus;
  std::string tokenizer;
  double tokens_per_second = 0;
  uint64_t shown = 0;
};

/// One line on a terminal, now and then.
class Progress {
 public:
  void show(const ReadStatistics& statistics) {
    const auto now = std::chrono::steady_clock::now();
    if (!live_ || now - shown_ < std::chrono::milliseconds(200)) return;
    shown_ = now;
    fmt::print(stderr, "\r\x1b[K{} documents, {} of text", format_count(statistics.documents),
               format_bytes(statistics.text_bytes));
  }
  ~Progress() {
    if (live_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  bool live_ = error_is_terminal();
  std::chrono::steady_clock::time_point shown_{};
};

/// What an epoch was found to hold.
struct EpochCount {
  uint64_t characters = 0;
  uint64_t tokens = 0;
  double seconds = 0;
};

uint64_t count_characters(std::string_view text) {
  return static_cast<uint64_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

EpochCount read_epoch(CorpusReader& reader, const Tokenizer* tokenizer, const StopSignal& stop) {
  EpochCount count;
  Progress progress;
  const auto start = std::chrono::steady_clock::now();
  Ticket ticket;
  std::vector<uint32_t> ids;
  while (!stop.requested() && !ticket.ends_epoch && reader.next(ticket)) {
    for (TextPiece& piece : ticket.pieces) {
      repair_utf8(piece.text);
      count.characters += count_characters(piece.text);
      count.tokens += piece.ends_document ? 1 : 0;  // its end-of-text token
      if (tokenizer == nullptr) continue;
      ids.clear();
      tokenizer->encode(piece.text, ids);
      count.tokens += ids.size();
    }
    progress.show(reader.statistics());
  }
  count.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return count;
}

void report_bzip2(const Catalog& catalog, const StopSignal& stop) {
  Bzip2Counts all;
  for (const Shard& shard : catalog.shards) {
    if (shard.compression != Compression::kBzip2) continue;
    const Bzip2Counts counts = count_bzip2(ReadableFile(shard.path), stop.token());
    all.streams += counts.streams;
    all.blocks += counts.blocks;
  }
  if (all.blocks == 0) return;
  fmt::print("bzip2: {} streams, {} blocks\n", format_count(all.streams), format_count(all.blocks));
}

std::string time_of(double seconds) {
  return format_duration(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)));
}

void report_tokens(const CorpusQuestion& question, const ReadStatistics& statistics,
                   const EpochCount& count) {
  constexpr double kUsualBytesPerToken = 4.2;  // English with a vocabulary of 16,000
  const bool counted = !question.tokenizer.empty();
  const auto tokens = counted ? static_cast<double>(count.tokens)
                              : static_cast<double>(statistics.text_bytes) / kUsualBytesPerToken;
  fmt::print("{}{} tokens an epoch{}\n", counted ? "" : "about ", format_count(static_cast<uint64_t>(tokens)),
             counted ? "" : ", at 4.2 bytes each; --tokenizer FILE counts them");
  if (question.tokens_per_second > 0) {
    fmt::print("an epoch takes {} at {} tokens/s\n", time_of(tokens / question.tokens_per_second),
               question.tokens_per_second);
  }
  fmt::print("read{} in {}, {:.1f} MB/s of text by one thread\n", counted ? " and tokenized" : "",
             time_of(count.seconds),
             static_cast<double>(statistics.text_bytes) / 1e6 / std::max(count.seconds, 1e-9));
}

void report_pages(const ReadStatistics& statistics) {
  for (const auto& [page_namespace, count] : statistics.pages) {
    fmt::print("  pages in namespace {}: {}\n", page_namespace, format_count(count));
  }
  for (const auto& [reason, count] : statistics.skips) {
    fmt::print("  passed over: {} {}\n", format_count(count), reason);
  }
}

void show_documents(const CorpusQuestion& question, const Catalog& catalog, const StopSignal& stop) {
  show_pages(question.corpus, catalog, question.shown, stop.token(), [](const Record& record) {
    fmt::print("--- wikitext of {}:\n{}\n--- document:\n{}\n---\n", record.title, record.wikitext,
               record.text);
  });
}

/// Reads the whole corpus once and counts. A stop reports what was seen until then.
void describe_text(const CorpusQuestion& question, const StopSignal& stop) {
  const Catalog catalog = scan_corpus(question.corpus, nullptr, stop.token());
  fmt::print("{}\n", describe_corpus(catalog));
  for (const RejectedFile& file : catalog.rejected)
    fmt::print("  not read: {}: {}\n", file.name, file.reason);
  report_bzip2(catalog, stop);
  std::optional<Tokenizer> tokenizer;
  if (!question.tokenizer.empty()) tokenizer = Tokenizer::from_file(question.tokenizer);
  CorpusReader reader(question.corpus, catalog, {}, Role::kTraining, {.stop = stop.token()});
  EpochCount count;
  bool complete = true;
  try {
    count = read_epoch(reader, tokenizer ? &*tokenizer : nullptr, stop);
  } catch (const Stopped&) {
    complete = false;
  }
  const ReadStatistics& statistics = reader.statistics();
  if (!complete || stop.requested()) fmt::print("stopped on request; so far:\n");
  fmt::print("{} documents, {} of text, {} characters\n", format_count(statistics.documents),
             format_bytes(statistics.text_bytes), format_count(count.characters));
  report_pages(statistics);
  if (!complete || stop.requested()) return;
  report_tokens(question, statistics, count);
  if (question.shown > 0) show_documents(question, catalog, stop);
}

}  // namespace

int inspect_command(const Arguments& arguments, StopSignal& stop) {
  std::vector<std::string> paths;
  std::string documents = "files";
  std::string namespaces = "0";
  std::string disambiguation = "drop";
  CorpusQuestion question;
  po::options_description options;
  options.add_options()("path", po::value(&paths)->multitoken()->required(),
                        "checkpoint, state folder, or corpus")(
      "documents", po::value(&documents)->default_value(documents), "files or paragraphs, in plain text")(
      "namespaces", po::value(&namespaces)->default_value(namespaces), "of MediaWiki dumps")(
      "disambiguation", po::value(&disambiguation)->default_value(disambiguation),
      "keep or drop, in MediaWiki dumps")("tokenizer", po::value(&question.tokenizer),
                                          "SentencePiece model to count tokens with")(
      "tokens-per-second", po::value(&question.tokens_per_second),
      "training speed to estimate an epoch's time with")(
      "show", po::value(&question.shown), "print this many documents of dumps, each after its wikitext");
  const std::string usage =
      "pretrain inspect CHECKPOINT | STATE | CORPUS...\nVerifies and describes; changes nothing.";
  if (!parse_command_line(arguments, options, usage, "path")) return 0;
  const Path first = paths.front();
  if (file_exists(first / kManifestName)) {
    describe_checkpoint(verify_checkpoint(first));
  } else if (!list_checkpoints(first).empty()) {
    describe_state_folder(first);
  } else {
    question.corpus = {.inputs = {paths.begin(), paths.end()},
                       .documents = parse_document_mode(documents),
                       .validation_fraction = 0,
                       .pages = parse_namespaces(namespaces)};
    question.corpus.pages.disambiguation = parse_disambiguation(disambiguation);
    describe_text(question, stop);
  }
  return 0;
}

}  // namespace pretrain
