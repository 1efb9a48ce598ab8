// SPDX-License-Identifier: Apache-2.0
#include "pipeline/loader.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <tbb/flow_graph.h>
#include <tbb/task_arena.h>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "pipeline/corpus/known_shards.h"
#include "pipeline/corpus/scan.h"
#include "pipeline/encode.h"
#include "pipeline/queue_state.h"
#include "pipeline/stream_fields.h"

namespace pretrain {
namespace {

/// Tickets between the reader and the assembler for each worker: one in work, and enough waiting that a slow
/// ticket at the head does not leave the others idle. Tried: 16 for each worker, no faster.
constexpr size_t kTicketsPerWorker = 4;

constexpr const char* kSkipLogBytes = "skip_log_bytes";

void raise_to(std::atomic<size_t>& high_water, size_t value) {
  size_t seen = high_water.load();
  while (seen < value && !high_water.compare_exchange_weak(seen, value)) {
  }
}

/// The reader is ahead of training, so the line comes before the epoch.
void tell_of_changes(const Ticket& ticket) {
  if (ticket.changes.none()) return;
  const std::string text =
      fmt::format("the corpus has changed; from epoch {} on: {}", ticket.epoch + 1, describe(ticket.changes));
  if (ticket.changes.lost.empty()) {
    log_info("{}", text);
  } else {
    log_warning("{}", text);
  }
}

/// For the user, who reads texts and not keys.
std::map<std::string, uint64_t> texts_of(const std::map<SkipReason, uint64_t>& skips) {
  std::map<std::string, uint64_t> texts;
  for (const auto& [reason, count] : skips) texts[std::string(reason_text(reason))] = count;
  return texts;
}

}  // namespace

size_t Loader::ticket_bound(int workers) {
  return kTicketsPerWorker * static_cast<size_t>(workers);
}

/// The output of the reader: a ticket or an error, and an empty chunk. The chunk is allocated here so that a
/// worker can return one even when it runs out of memory.
struct Loader::ReadTicket {
  Ticket ticket;
  std::exception_ptr error;
  ChunkPtr chunk = std::make_shared<Chunk>();
};

/// The flow graph. Nodes are in the order of the drawing.
struct Loader::Graph {
  using Reader = tbb::flow::multifunction_node<tbb::flow::continue_msg, std::tuple<TicketPtr>>;
  /// By default a thread that has read a ticket would encode it next. Then no ticket would be waiting while
  /// the reader decompresses the next block. So reading has priority, up to the bound on tickets.
  static constexpr tbb::flow::node_priority_t kReadFirst = 1;

  Graph(Loader& loader, int workers)
      : arena(workers, /*reserved_for_masters=*/0, tbb::task_arena::priority::low) {
    arena.execute([&] { build(loader, workers); });
  }

  void build(Loader& loader, int workers) {
    namespace flow = tbb::flow;
    graph = std::make_unique<flow::graph>(context);
    read = std::make_unique<Reader>(
        *graph, flow::serial,
        [&loader](const flow::continue_msg&, Reader::output_ports_type& tickets) {
          TicketPtr ticket = loader.read_ticket();
          if (ticket != nullptr) std::get<0>(tickets).try_put(std::move(ticket));
        },
        kReadFirst);
    encode = std::make_unique<flow::function_node<TicketPtr, ChunkPtr>>(
        *graph, static_cast<size_t>(workers),
        [&loader](const TicketPtr& ticket) { return loader.encode(ticket); });
    sequencer = std::make_unique<flow::sequencer_node<ChunkPtr>>(*graph, [&loader](const ChunkPtr& chunk) {
      return static_cast<size_t>(chunk->number - loader.first_ticket_);
    });
    assemble = std::make_unique<flow::function_node<ChunkPtr>>(*graph, flow::serial,
                                                               [this, &loader](const ChunkPtr& chunk) {
                                                                 allow(loader.assemble(chunk));
                                                                 return flow::continue_msg();
                                                               });
    flow::make_edge(flow::output_port<0>(*read), *encode);
    flow::make_edge(*encode, *sequencer);
    flow::make_edge(*sequencer, *assemble);
  }

  /// Allows the reader to read this many more tickets: at the start the bound, later one for each absorbed
  /// ticket.
  void allow(size_t tickets) {
    for (size_t i = 0; i < tickets; ++i) read->try_put({});
  }

  void wait() {
    try {
      arena.execute([&] { graph->wait_for_all(); });
    } catch (...) {  // an exception of oneTBB itself, which close_if_graph_died() reports
    }
  }

  /// Whether an exception in oneTBB itself cancelled the graph, so that no node runs any more.
  bool died() { return context.is_group_execution_cancelled(); }

  tbb::task_arena arena;
  tbb::task_group_context context{tbb::task_group_context::isolated};
  std::unique_ptr<tbb::flow::graph> graph;
  std::unique_ptr<Reader> read;
  std::unique_ptr<tbb::flow::function_node<TicketPtr, ChunkPtr>> encode;
  std::unique_ptr<tbb::flow::sequencer_node<ChunkPtr>> sequencer;
  std::unique_ptr<tbb::flow::function_node<ChunkPtr>> assemble;
};

Loader::Loader(LoaderOptions options, const Tokenizer& tokenizer, Catalog catalog, const StreamState* state)
    : options_(std::move(options)),
      tokenizer_(tokenizer),
      queue_(options_.queue_batches),
      assembler_(options_.assembler) {
  if (state != nullptr) {
    resume_from(*state);
  } else {
    assembler_.start_at({}, std::make_shared<const Catalog>(std::move(catalog)), options_.evaluated);
    if (options_.skip_log != nullptr) options_.skip_log->begin(0);
  }
  Catalog located = *assembler_.catalog();
  if (state != nullptr) locate_shards(options_.corpus, located);
  first_ticket_ = next_ticket_ = assembler_.cursor().ticket;
  if (state != nullptr) tell_of_raised_epochs();
  if (!assembler_.draining()) {
    reader_ = std::make_unique<CorpusReader>(
        options_.corpus, std::move(located), assembler_.cursor(), Role::kTraining,
        ReadHooks{stop_reading_.get_token(), options_.on_seek}, options_.on_scan);
  }
  graph_ = std::make_unique<Graph>(*this, options_.workers);
  graph_->assemble->try_put(nullptr);
  graph_->allow(ticket_bound(options_.workers));
}

void Loader::check(const StreamState& state, const AssemblerOptions& options) {
  BatchAssembler(options).restore(state);
  restore_queue(state, options);
  if (state.scalars.contains(kSkipLogBytes)) number_in(state.scalars, kSkipLogBytes);
}

/// The order matters: first no node does new work, then nobody waits for the queue, then the graph drains.
Loader::~Loader() {
  stopping_ = true;
  stop_reading_.request_stop();
  queue_.close();
  graph_->wait();
}

/// The reader is ahead of training, so another number of epochs may come too late to give exactly the stream
/// that a run with this number from the start would have had. Then it says so.
void Loader::tell_of_raised_epochs() {
  const uint32_t epochs = options_.assembler.epochs;
  if (assembler_.reopened()) {
    log_warning(
        "epoch {} had been read to its end as the last one; epoch {} follows it: each text is trained once "
        "an epoch, but in another order than if there had been no end",
        assembler_.cursor().epoch + 1, assembler_.cursor().epoch + 2);
  } else if (epochs > 0 && assembler_.cursor().epoch >= epochs) {
    log_warning("epoch {} is being read ahead already: the run ends after it, not after {}",
                assembler_.cursor().epoch + 1, epochs);
  }
}

void Loader::resume_from(const StreamState& state) {
  assembler_.restore(state);
  as_restored_ = true;
  // There may be more batches than fit a queue that is now smaller.
  queue_.give_back(restore_queue(state, options_.assembler));
  if (options_.skip_log == nullptr) return;
  // Earlier versions did not save the length of the log.
  std::optional<uint64_t> log_bytes;
  if (state.scalars.contains(kSkipLogBytes)) log_bytes = number_in(state.scalars, kSkipLogBytes);
  options_.skip_log->begin(log_bytes);
}

std::optional<Batch> Loader::next(const std::stop_token& stop) {
  std::optional<Batch> batch = queue_.pop(stop, [this] { close_if_graph_died(); });
  graph_->assemble->try_put(
      nullptr);  // wakes the assembler, which may have stopped because the queue was full
  return batch;
}

void Loader::give_back(std::vector<Batch> batches) {
  queue_.give_back(std::move(batches));
}

/// Waits until the queue is full, because the same step should always save the same state. Batches in the
/// queue are part of the state; tickets in flight are not, and are read again after a resume.
StreamState Loader::state(const std::stop_token& stop) {
  queue_.wait_until_full(stop, [this] { close_if_graph_died(); });
  const std::lock_guard lock(mutex_);
  StreamState state;
  assembler_.save(state);
  if (options_.skip_log != nullptr) state.scalars[kSkipLogBytes] = options_.skip_log->bytes();
  queue_.read([&](const std::deque<Batch>& queued) { save_queue(queued, state); });
  return state;
}

std::vector<std::string> Loader::documents_of(const Batch& batch) const {
  const std::lock_guard lock(mutex_);
  return assembler_.documents_of(batch);
}

SourceStatus Loader::status() const {
  const std::lock_guard lock(mutex_);
  return {.buffered_sequences = assembler_.buffered(),
          .buffer_capacity = options_.assembler.buffer.capacity,
          .queued_batches = queue_.size(),
          .queue_capacity = queue_.capacity(),
          .documents = assembler_.documents(),
          .invalid_utf8 = assembler_.invalid_utf8(),
          .skips = texts_of(assembler_.skips()),
          .unwritten_skips = options_.skip_log != nullptr ? options_.skip_log->failed_writes() : 0};
}

LoaderHighWater Loader::high_water() const {
  const std::lock_guard lock(mutex_);
  return {.tickets = tickets_high_water_,
          .ticket_bound = ticket_bound(options_.workers),
          .buffered_sequences = buffered_high_water_,
          .queued_batches = queue_.high_water()};
}

void Loader::close_with(std::exception_ptr error) noexcept {
  try {
    queue_.close(std::move(error));
  } catch (...) {  // the mutex can't be locked; there is nothing left to try
  }
}

/// Node bodies catch their own exceptions. This handles those of oneTBB itself, when memory runs out.
void Loader::close_if_graph_died() {
  if (!graph_->died()) return;
  close_with(std::make_exception_ptr(
      Error(ErrorKind::kRuntime, "the loader died (out of memory?); start the run again to continue it")));
}

/// The reading node. Any exception ends the stream.
Loader::TicketPtr Loader::read_ticket() {
  if (stopping_ || reading_ended_ || reader_ == nullptr) return nullptr;
  try {
    return read_next_ticket();
  } catch (...) {
    reading_ended_ = true;
    close_with(std::current_exception());
    return nullptr;
  }
}

/// An error of the corpus becomes the last ticket, so that the batches before it are still delivered.
Loader::TicketPtr Loader::read_next_ticket() {
  if (options_.before_read) options_.before_read();
  auto read = std::make_shared<ReadTicket>();
  try {
    std::optional<Ticket> ticket = reader_->next();
    PRETRAIN_CHECK(ticket.has_value(), "the text for training ended");
    tell_of_changes(*ticket);
    read->ticket = std::move(*ticket);
    const uint32_t epochs = options_.assembler.epochs;
    reading_ended_ = epochs > 0 && read->ticket.ends_epoch && read->ticket.epoch + 1 >= epochs;
  } catch (...) {
    read->error = std::current_exception();
    reading_ended_ = true;
  }
  read->ticket.number = next_ticket_++;
  raise_to(tickets_high_water_, ++tickets_in_flight_);
  return read;
}

/// The encoding node. Returns a chunk even after an error, because the sequencer needs every number.
Loader::ChunkPtr Loader::encode(const TicketPtr& read) {
  const ChunkPtr chunk = read->chunk;
  chunk->number = read->ticket.number;
  chunk->error = read->error;
  if (stopping_ || chunk->error != nullptr) return chunk;
  try {
    if (options_.before_encode) options_.before_encode(read->ticket);
    *chunk = encode_ticket(std::move(read->ticket), tokenizer_);
  } catch (...) {
    chunk->error = std::current_exception();
  }
  return chunk;
}

size_t Loader::assemble(const ChunkPtr& chunk) {
  if (stopping_) return 0;
  try {
    const std::lock_guard lock(mutex_);
    if (chunk != nullptr) waiting_.push_back(chunk);
    return pump();
  } catch (...) {
    close_with(std::current_exception());
    return 0;
  }
}

/// A run that ended because an epoch was too short continues if the corpus has changed since.
std::optional<Batch> Loader::produce() {
  try {
    return assembler_.produce();
  } catch (const Error&) {
    if (!as_restored_ || !assembler_.may_leave_epoch() || !corpus_has_changed()) throw;
  }
  assembler_.leave_epoch();
  return assembler_.produce();
}

/// Whether the corpus has changed since the start of the restored state's epoch.
bool Loader::corpus_has_changed() const {
  const auto contents = [](const Catalog& catalog) {
    std::vector<std::string> hashes;
    for (const Shard& shard : catalog.shards) hashes.push_back(shard.hash);
    std::ranges::sort(hashes);
    return hashes;
  };
  const Catalog& before = *assembler_.catalog();
  return contents(scan_corpus(options_.corpus, &before, stop_reading_.get_token())) != contents(before);
}

void Loader::log_skips(std::span<const Skip> skips, uint32_t epoch) {
  if (options_.skip_log == nullptr) return;
  for (const Skip& skip : skips) options_.skip_log->add(skip, epoch);
}

/// Makes batches while the queue has room, and absorbs a chunk whenever the assembler needs one. Called for
/// each chunk and after each batch that the trainer takes. Returns the number of absorbed tickets.
size_t Loader::pump() {
  size_t absorbed = 0;
  while (queue_.has_room()) {
    if (std::optional<Batch> batch = produce()) {
      queue_.push(*std::move(batch));
    } else if (assembler_.finished()) {
      queue_.close();
    } else if (waiting_.empty()) {
      break;
    } else {
      const ChunkPtr chunk = std::move(waiting_.front());
      waiting_.pop_front();
      if (chunk->error != nullptr) std::rethrow_exception(chunk->error);
      const std::vector<Skip> duplicates = assembler_.absorb(*chunk);
      as_restored_ = false;
      log_skips(chunk->skips, chunk->epoch);
      log_skips(duplicates, chunk->epoch);
      ++absorbed;
      --tickets_in_flight_;
    }
    buffered_high_water_ = std::max(buffered_high_water_, assembler_.buffered());
  }
  return absorbed;
}

}  // namespace pretrain
