// From a multistream dump to tokens: each part of the way alone, and the loader with one and two workers, in
// one run. Usage: pretrain_loader_bench DUMP.xml.bz2 TOKENIZER.model [REPEATS]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <tbb/global_control.h>

#include "libs/base/machine.h"
#include "pipeline/corpus/bzip2_blocks.h"
#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/encode.h"
#include "pipeline/loader.h"

namespace {

using namespace pretrain;

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

std::string unpack(const Path& dump) {
  ReadableFile file(dump);
  const uint64_t size = file.size();
  const auto source = open_bzip2_blocks(std::move(file), 0, size);
  std::string xml;
  std::vector<char> part(1 << 20);
  while (const size_t got = source->read(part)) xml.append(part.data(), got);
  return xml;
}

/// All of one epoch's tickets.
std::vector<Ticket> read_tickets(const CorpusOptions& options, const Catalog& catalog) {
  CorpusReader reader(options, catalog, {}, Role::kTraining);
  std::vector<Ticket> tickets(1);
  while (reader.next(tickets.back()) && !tickets.back().ends_epoch) tickets.emplace_back();
  return tickets;
}

LoaderOptions loader_options(const CorpusOptions& corpus, const Tokenizer& tokenizer, int workers) {
  LoaderOptions options{.corpus = corpus, .workers = workers, .queue_batches = 32};
  options.assembler = {.rows = 16, .end_of_text = tokenizer.end_of_text(), .epochs = 1};
  options.assembler.buffer = {
      .capacity = 2000, .minimum = 100, .context = 256, .vocabulary = tokenizer.vocabulary_size(), .seed = 1};
  return options;
}

double run_loader(const CorpusOptions& corpus, const Catalog& catalog, const Tokenizer& tokenizer,
                  int workers) {
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<size_t>(workers) + 1);
  return seconds_of([&] {
    Loader loader(loader_options(corpus, tokenizer, workers), tokenizer, catalog);
    for (Batch batch; loader.next(batch, {});) {
    }
  });
}

/// Seconds of each part in one round.
struct Round {
  double unpack = 0, read = 0, encode = 0, one = 0, two = 0;
};

Round run_round(const CorpusOptions& corpus, const Catalog& catalog, const Tokenizer& tokenizer) {
  Round round;
  round.unpack = seconds_of([&] { unpack(catalog.shards[0].path); });
  std::vector<Ticket> tickets;
  round.read = seconds_of([&] { tickets = read_tickets(corpus, catalog); });
  round.encode = seconds_of([&] {
    for (Ticket& ticket : tickets) encode_ticket(std::move(ticket), tokenizer);
  });
  round.one = run_loader(corpus, catalog, tokenizer, 1);
  round.two = run_loader(corpus, catalog, tokenizer, 2);
  return round;
}

void report(double megabytes, const std::vector<Round>& rounds) {
  const auto of = [&](const std::function<double(const Round&)>& value) {
    std::vector<double> values;
    for (const Round& round : rounds) values.push_back(value(round));
    return median(values);
  };
  const auto line = [&](const char* what, double seconds) {
    fmt::print("{:44} {:8.1f} MB/s  {:6.1f} ms/MB\n", what, megabytes / seconds, 1000 * seconds / megabytes);
  };
  line("bzip2 blocks alone", of([](const Round& r) { return r.unpack; }));
  line("scan, XML and cleaning (reading less bzip2)", of([](const Round& r) { return r.read - r.unpack; }));
  line("SentencePiece alone", of([](const Round& r) { return r.encode; }));
  line("all of it, harmonic sum of the parts", of([](const Round& r) { return r.read + r.encode; }));
  line("loader, 1 worker", of([](const Round& r) { return r.one; }));
  line("loader, 2 workers", of([](const Round& r) { return r.two; }));
  fmt::print("1 worker to the harmonic sum: {:.3f}\n",
             of([](const Round& r) { return (r.read + r.encode) / r.one; }));
  fmt::print("2 workers to 1: {:.3f}\n", of([](const Round& r) { return r.one / r.two; }));
  fmt::print("the serial reader is the limit from {:.1f} workers on\n",
             of([](const Round& r) { return (r.read + r.encode) / r.read; }));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: {} DUMP.xml.bz2 TOKENIZER.model [REPEATS]\n", argv[0]);
    return 2;
  }
  const int repeats = argc > 3 ? std::max(1, std::atoi(argv[3])) : 5;
  try {
    const CorpusOptions corpus{.inputs = {argv[1]}, .validation_fraction = 0};
    const Catalog catalog = scan_corpus(corpus);
    const Tokenizer tokenizer = Tokenizer::from_file(argv[2]);
    const std::string xml = unpack(catalog.shards[0].path);
    fmt::print("{}, {:.1f} MB of XML, {} rounds (medians)\n", inspect_machine().processor,
               static_cast<double>(xml.size()) / 1e6, repeats);
    std::vector<Round> rounds;
    for (int i = 0; i < repeats; ++i) rounds.push_back(run_round(corpus, catalog, tokenizer));
    report(static_cast<double>(xml.size()) / 1e6, rounds);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
