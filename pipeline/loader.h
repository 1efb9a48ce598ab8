// SPDX-License-Identifier: Apache-2.0
#pragma once
// The loader: a oneTBB flow graph that turns the corpus into batches in the background.
//
//   read (serial) -> encode (xN, parallel) -> sequencer -> assemble (serial) -> batch queue -> next()
//        ^                                                       |
//        +------- a ticket is absorbed: one more may be read ----+
//
// It runs in its own arena with low priority. The stream of batches depends neither on the number of workers
// nor on timing: tickets are absorbed in order, and everything that determines the stream is in
// BatchAssembler.
//
//   Loader loader(options, tokenizer, catalog, nullptr);   // or with the state of a checkpoint
//   while (const auto batch = loader.next(stop)) train(*batch);
//   const StreamState state = loader.state(stop);          // continues after the last batch from next()

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <vector>

#include "libs/data/batch_source.h"
#include "pipeline/batch_assembler.h"
#include "pipeline/batch_queue.h"
#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/skip_log.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

struct LoaderOptions {
  CorpusOptions corpus;
  AssemblerOptions assembler;
  int workers = 1;
  size_t queue_batches = 32;
  /// Records skips in stream order; null: don't record. Must outlive the loader.
  SkipLog* skip_log = nullptr;
  /// Documents of the evaluation set, of which a new stream with deduplication skips copies.
  std::vector<DocumentSignature> evaluated = {};
  /// Called by the reader before it reads a ticket. Tests let it fail.
  std::function<void()> before_read;
  /// Called by a worker before it encodes a ticket. Tests let it wait or fail.
  std::function<void(const Ticket&)> before_encode;
  /// Progress of a long read at a restart: bytes done and total bytes.
  std::function<void(uint64_t done, uint64_t total)> on_seek;
  /// Called periodically while the reader scans the corpus at the start of an epoch.
  std::function<void()> on_scan;
};

/// High-water marks, to compare with the bounds.
struct LoaderHighWater {
  size_t tickets = 0;  ///< between the reader and their absorption
  size_t ticket_bound = 0;
  uint64_t buffered_sequences = 0;
  size_t queued_batches = 0;
};

class Loader : public BatchSource {
 public:
  /// Starts a new stream with this catalog, or continues from a saved state, whose catalog is used instead.
  /// Errors: kData, kUsage when the state does not fit.
  Loader(LoaderOptions options, const Tokenizer& tokenizer, Catalog catalog,
         const StreamState* state = nullptr);
  /// Whether a stream can continue from this state, without opening the corpus.
  /// Errors: as the constructor, naming what is wrong.
  static void check(const StreamState& state, const AssemblerOptions& options);
  /// Stops reading and waits for the work in flight (milliseconds).
  ~Loader() override;
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  std::optional<Batch> next(const std::stop_token& stop) override;
  void give_back(std::vector<Batch> batches) override;
  StreamState state(const std::stop_token& stop) override;
  std::vector<std::string> documents_of(const Batch& batch) const override;
  SourceStatus status() const override;

  LoaderHighWater high_water() const;
  /// Tickets between the reader and their absorption, at most.
  static size_t ticket_bound(int workers);

 private:
  struct Graph;
  struct ReadTicket;
  using TicketPtr = std::shared_ptr<ReadTicket>;
  using ChunkPtr = std::shared_ptr<Chunk>;

  void resume_from(const StreamState& state);
  TicketPtr read_ticket();
  TicketPtr read_next_ticket();
  ChunkPtr encode(const TicketPtr& read);
  /// Takes a chunk, or null to check whether the queue has room again. Returns the number of absorbed
  /// tickets.
  size_t assemble(const ChunkPtr& chunk);
  size_t pump();
  void log_skips(std::span<const Skip> skips, uint32_t epoch);
  void tell_of_raised_epochs();
  /// Ends the stream with this error after the queued batches.
  void close_with(std::exception_ptr error) noexcept;
  void close_if_graph_died();
  std::optional<Batch> produce();
  bool corpus_has_changed() const;

  LoaderOptions options_;
  const Tokenizer& tokenizer_;
  BatchQueue queue_;
  std::unique_ptr<CorpusReader> reader_;  // used by the reading node only
  uint64_t first_ticket_ = 0;
  uint64_t next_ticket_ = 0;    // reading node only
  bool reading_ended_ = false;  // reading node only

  mutable std::mutex mutex_;  // guards the assembler and the chunks that wait for it
  BatchAssembler assembler_;
  bool as_restored_ = false;  // nothing was absorbed since a state was restored
  std::deque<ChunkPtr> waiting_;
  uint64_t buffered_high_water_ = 0;

  std::atomic<bool> stopping_{false};
  std::stop_source stop_reading_;
  std::atomic<size_t> tickets_in_flight_{0};
  std::atomic<size_t> tickets_high_water_{0};
  std::unique_ptr<Graph> graph_;  // last: its tasks use all above
};

}  // namespace pretrain
