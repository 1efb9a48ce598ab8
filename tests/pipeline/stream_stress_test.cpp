// SPDX-License-Identifier: Apache-2.0
// Ten million items through buffer and queue, with a producer and a consumer on threads of their own, stops
// at seeded instants and restarts from the saved state: none is lost, doubled or moved.

#include <cstdlib>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "pipeline/batch_queue.h"
#include "tests/pipeline/assembler_testing.h"

namespace pretrain {
namespace {

using namespace test;

/// Items (targets) of an epoch of this corpus; ids fit the small assembler.
constexpr size_t kDocuments = 3000;
constexpr size_t kLongestDocument = 60;
constexpr size_t kQueueBatches = 16;

uint64_t items_wanted() {
  const char* text = std::getenv("PRETRAIN_STRESS_ITEMS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 10'000'000;
}

AssemblerOptions endless() {
  AssemblerOptions options = small_assembler(Packing::kConcat, 0);
  options.buffer.capacity = 2000;
  options.buffer.minimum = 100;
  return options;
}

/// One session: a producer fills the queue, the consumer takes what it wants and then stops the producer.
class Session {
 public:
  Session(const NumberedCorpus& corpus, BatchAssembler assembler, std::deque<Batch> queued)
      : corpus_(corpus), assembler_(std::move(assembler)) {
    for (Batch& batch : queued) queue_.push(std::move(batch));
    producer_ = std::jthread([this](const std::stop_token& stop) { produce(stop); });
  }

  Batch take() {
    std::optional<Batch> batch = queue_.pop({});
    EXPECT_TRUE(batch);
    return batch ? *std::move(batch) : Batch();
  }

  /// Ends the producer wherever it is. What it had made but not handed over is handed over first.
  std::pair<StreamState, std::deque<Batch>> stop() {
    producer_.request_stop();
    producer_.join();
    StreamState state;
    assembler_.save(state);
    std::deque<Batch> queued;
    queue_.read([&](const std::deque<Batch>& batches) { queued = batches; });
    return {through_text(state), std::move(queued)};
  }

 private:
  void produce(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (!queue_.has_room()) {
        std::this_thread::yield();
        continue;
      }
      queue_.push(*next_batch(assembler_, corpus_));
    }
  }

  const NumberedCorpus& corpus_;
  BatchAssembler assembler_;
  BatchQueue queue_{kQueueBatches};
  std::jthread producer_;
};

TEST(StreamStress, TenMillionItemsThroughStopsAndRestarts) {
  const NumberedCorpus corpus(numbered_documents(5, kDocuments, kLongestDocument));
  BatchAssembler reference = fresh_assembler(endless());
  Rng rng(20260102);
  BatchAssembler assembler = fresh_assembler(endless());
  std::deque<Batch> queued;
  uint64_t items = 0;
  uint64_t number = 0;
  uint64_t sessions = 0;
  for (const uint64_t wanted = items_wanted(); items < wanted; ++sessions) {
    Session session(corpus, std::move(assembler), std::move(queued));
    for (uint64_t left = 1 + rng.below(8000); left > 0 && items < wanted; --left) {
      const Batch batch = session.take();
      ASSERT_EQ(batch.number, number++);
      ASSERT_EQ(batch.hash, next_batch(reference, corpus)->hash) << "batch " << batch.number;
      items += batch.target_count;
    }
    const auto [state, rest] = session.stop();
    queued = rest;
    assembler = BatchAssembler(endless());
    assembler.restore(state);
  }
  fmt::print("{} items in {} batches, {} sessions\n", items, number, sessions);
}

TEST(StreamStress, TheReferenceGivesEachItemOnceInAnEpoch) {
  const NumberedCorpus corpus(numbered_documents(5, kDocuments, kLongestDocument));
  AssemblerOptions options = endless();
  options.epochs = 1;
  BatchAssembler assembler = fresh_assembler(options);
  auto expected = corpus.targets_per_epoch(Packing::kConcat);
  auto found = targets_of(next_batches(assembler, corpus, SIZE_MAX));
  expected.erase(
      static_cast<int32_t>(corpus.documents().front().empty() ? kEndOfText : corpus.documents().front()[0]));
  found.erase(
      static_cast<int32_t>(corpus.documents().front().empty() ? kEndOfText : corpus.documents().front()[0]));
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace pretrain
