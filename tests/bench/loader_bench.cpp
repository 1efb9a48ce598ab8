// SPDX-License-Identifier: Apache-2.0
// From a corpus to tokens: each stage alone, and the loader with one and two workers, compared with
// SentencePiece on as many threads, interleaved in one run. Usage: pretrain_loader_bench CORPUS
// TOKENIZER.model [REPEATS]

#include <algorithm>
#include <atomic>
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
#include "pipeline/corpus/scan.h"
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

/// Bytes of all shards that bzip2 packed, unpacked.
uint64_t unpack(const Catalog& catalog) {
  uint64_t bytes = 0;
  std::vector<char> part(1 << 20);
  for (const Shard& shard : catalog.shards) {
    if (shard.compression != Compression::kBzip2) continue;
    const auto source = open_bzip2_blocks(ReadableFile(shard.path), 0, shard.size_bytes);
    while (const size_t got = source->read(part)) bytes += got;
  }
  return bytes;
}

uint64_t file_bytes(const Catalog& catalog) {
  uint64_t bytes = 0;
  for (const Shard& shard : catalog.shards) bytes += shard.size_bytes;
  return bytes;
}

/// All of one epoch's tickets.
std::vector<Ticket> read_tickets(const CorpusOptions& options, const Catalog& catalog) {
  CorpusReader reader(options, catalog, {}, Role::kTraining);
  std::vector<Ticket> tickets;
  do {
    tickets.push_back(reader.next().value());
  } while (!tickets.back().ends_epoch);
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
    while (loader.next({})) {
    }
  });
}

/// Encodes all tickets on so many threads, each of which takes the next one; returns the seconds.
double encode_all(std::vector<Ticket> tickets, const Tokenizer& tokenizer, int threads) {
  std::atomic<size_t> next{0};
  return seconds_of([&] {
    std::vector<std::jthread> workers;
    for (int i = 0; i < threads; ++i) {
      workers.emplace_back([&] {
        for (size_t t = next++; t < tickets.size(); t = next++)
          encode_ticket(std::move(tickets[t]), tokenizer);
      });
    }
  });
}

/// Keeps the compiler from dropping what is timed.
uint64_t sign_all(const std::vector<Ticket>& tickets) {
  uint64_t joined = 0;
  for (const Ticket& ticket : tickets) {
    for (const TextPiece& piece : ticket.pieces) joined ^= signature_of(piece.text).bands.front();
  }
  return joined;
}

uint64_t text_bytes(const std::vector<Ticket>& tickets) {
  uint64_t bytes = 0;
  for (const Ticket& ticket : tickets) {
    for (const TextPiece& piece : ticket.pieces) bytes += piece.text.size();
  }
  return bytes;
}

/// Seconds of each part in one round.
struct Round {
  double unpack = 0, read = 0, sign = 0, text_megabytes = 0, encode = 0, encode_two = 0, one = 0, two = 0;
};

Round run_round(const CorpusOptions& corpus, const Catalog& catalog, const Tokenizer& tokenizer) {
  Round round;
  round.unpack = seconds_of([&] { unpack(catalog); });
  std::vector<Ticket> tickets;
  round.read = seconds_of([&] { tickets = read_tickets(corpus, catalog); });
  round.text_megabytes = static_cast<double>(text_bytes(tickets)) / 1e6;
  uint64_t joined = 0;
  round.sign = seconds_of([&] { joined = sign_all(tickets); });
  if (joined == 0) fmt::print("no words\n");
  round.one = run_loader(corpus, catalog, tokenizer, 1);
  round.encode = encode_all(tickets, tokenizer, 1);
  round.two = run_loader(corpus, catalog, tokenizer, 2);
  round.encode_two = encode_all(std::move(tickets), tokenizer, 2);
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
  line("scanning and cleaning (reading less bzip2)", of([](const Round& r) { return r.read - r.unpack; }));
  line("SentencePiece alone, 1 thread", of([](const Round& r) { return r.encode; }));
  line("SentencePiece alone, 2 threads", of([](const Round& r) { return r.encode_two; }));
  line("all of it, harmonic sum of the parts", of([](const Round& r) { return r.read + r.encode; }));
  line("loader, 1 worker", of([](const Round& r) { return r.one; }));
  line("loader, 2 workers", of([](const Round& r) { return r.two; }));
  fmt::print("signatures for --deduplicate: {:.1f} MB/s of text\n",
             of([](const Round& r) { return r.text_megabytes / r.sign; }));
  fmt::print("1 worker to the harmonic sum: {:.3f}\n",
             of([](const Round& r) { return (r.read + r.encode) / r.one; }));
  fmt::print("1 worker to SentencePiece on 1 thread: {:.3f}; 2 to 2: {:.3f}\n",
             of([](const Round& r) { return r.encode / r.one; }),
             of([](const Round& r) { return r.encode_two / r.two; }));
  fmt::print("2 workers to 1: {:.3f}, where SentencePiece alone gains {:.3f}\n",
             of([](const Round& r) { return r.one / r.two; }),
             of([](const Round& r) { return r.encode / r.encode_two; }));
  fmt::print("the serial reader is the limit from {:.1f} workers on\n",
             of([](const Round& r) { return (r.read + r.encode) / r.read; }));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: {} CORPUS TOKENIZER.model [REPEATS]\n", argv[0]);
    return 2;
  }
  const int repeats = argc > 3 ? std::max(1, std::atoi(argv[3])) : 5;
  try {
    const CorpusOptions corpus{.inputs = {argv[1]}, .validation_fraction = 0};
    const Catalog catalog = scan_corpus(corpus);
    const Tokenizer tokenizer = Tokenizer::from_file(argv[2]);
    const uint64_t unpacked = unpack(catalog);
    const double megabytes = static_cast<double>(unpacked > 0 ? unpacked : file_bytes(catalog)) / 1e6;
    fmt::print("{}, {:.1f} MB, {} rounds (medians)\n", inspect_machine().processor, megabytes, repeats);
    std::vector<Round> rounds;
    for (int i = 0; i < repeats; ++i) rounds.push_back(run_round(corpus, catalog, tokenizer));
    report(megabytes, rounds);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
