// SPDX-License-Identifier: Apache-2.0
#include "pipeline/sequence_buffer.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pretrain {
namespace {

constexpr uint32_t kContext = 4;

using Sequence = std::pair<std::vector<uint32_t>, uint32_t>;

SequenceBufferOptions options_with(uint64_t minimum, uint64_t capacity, uint64_t seed = 1) {
  return {.capacity = capacity, .minimum = minimum, .context = kContext, .vocabulary = 60'000, .seed = seed};
}

/// Sequence `i`, unlike all others.
Sequence numbered(uint32_t i) {
  return {{5 * i, 5 * i + 1, 5 * i + 2, 5 * i + 3, 5 * i + 4}, 1 + i % kContext};
}

void insert(SequenceBuffer& buffer, const Sequence& sequence) {
  buffer.insert({.tokens = sequence.first,
                 .pairs = sequence.second,
                 .origin = {.shard = 1, .offset = sequence.first.front()}});
}

Sequence emit(SequenceBuffer& buffer) {
  const SequenceBuffer::Sequence sequence = buffer.emit();
  EXPECT_EQ(sequence.origin, (SequenceOrigin{.shard = 1, .offset = sequence.tokens.front()}));
  return {sequence.tokens, sequence.pairs};
}

StreamState state_of(const SequenceBuffer& buffer) {
  StreamState state;
  buffer.save_origins(state);
  buffer.save_sequences(state);
  return state;
}

/// Inserts `count` sequences, emitting whenever the buffer says so. Records events: 'i' and 'e'.
class BufferRun {
 public:
  explicit BufferRun(const SequenceBufferOptions& options) : options_(options), buffer_(options) {}

  void insert_one() {
    insert(buffer_, numbered(next_++));
    events += 'i';
    after_event();
    emit_what_must();
  }
  void emit_what_must() {
    while (buffer_.must_emit()) {
      emitted.push_back(emit(buffer_));
      events += 'e';
      after_event();
    }
  }
  void insert_many(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) insert_one();
  }
  SequenceBuffer& buffer() { return buffer_; }

  std::vector<Sequence> emitted;
  std::string events;
  uint64_t largest = 0;
  bool restoring = false;  ///< continue in a restored copy after each event

 private:
  void after_event() {
    largest = std::max(largest, buffer_.size());
    if (!restoring) return;
    SequenceBuffer next(options_);
    next.restore(state_of(buffer_));
    buffer_ = std::move(next);
  }

  SequenceBufferOptions options_;
  SequenceBuffer buffer_;
  uint32_t next_ = 0;
};

TEST(SequenceBuffer, GivesBackEachSequenceOnce) {
  BufferRun run(options_with(10, 100));
  run.insert_many(1000);
  run.buffer().drain();
  run.emit_what_must();
  EXPECT_EQ(run.buffer().size(), 0u);
  ASSERT_EQ(run.emitted.size(), 1000u);
  std::sort(run.emitted.begin(), run.emitted.end());
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_EQ(run.emitted[i], numbered(i));
}

TEST(SequenceBuffer, EmitsNothingBelowItsMinimum) {
  BufferRun run(options_with(10, 100));
  run.insert_many(9);
  EXPECT_EQ(run.events, "iiiiiiiii");
  run.insert_one();
  EXPECT_EQ(run.events, "iiiiiiiiiie");
}

TEST(SequenceBuffer, TakesTwoForEachThatLeavesWhileItFills) {
  BufferRun run(options_with(10, 100));
  run.insert_many(10);
  run.events.clear();
  run.insert_many(60);
  std::string expected;
  for (int i = 0; i < 30; ++i) expected += "iie";
  EXPECT_EQ(run.events, expected);
}

TEST(SequenceBuffer, TakesOneForOneWhenItIsFull) {
  BufferRun run(options_with(10, 100));
  run.insert_many(500);
  EXPECT_EQ(run.events.substr(run.events.size() - 200).find("ii"), std::string::npos);
  EXPECT_EQ(run.events.find("ee"), std::string::npos);
  EXPECT_EQ(run.largest, 100u);
}

TEST(SequenceBuffer, NeverHoldsMoreThanItsCapacity) {
  for (const uint64_t capacity : {1u, 2u, 3u, 17u}) {
    BufferRun run(options_with(5, capacity));
    run.insert_many(200);
    EXPECT_LE(run.largest, capacity);
    EXPECT_GE(run.emitted.size(), 200 - capacity);
  }
}

TEST(SequenceBuffer, StopsGrowingAtTheEndOfTheFirstEpoch) {
  BufferRun run(options_with(10, 1000));
  run.insert_many(200);
  const uint64_t size = run.buffer().size();
  run.buffer().stop_growing();
  run.largest = 0;
  run.emit_what_must();
  run.insert_many(400);
  EXPECT_LE(run.largest, size);
  EXPECT_GE(run.buffer().size() + 1, size);
  run.buffer().stop_growing();  // further epochs change nothing
  run.insert_many(400);
  EXPECT_GE(run.buffer().size() + 1, size);
}

TEST(SequenceBuffer, HoldsOneSequenceAtATimeWhenItIsEmptyAtTheEndOfTheFirstEpoch) {
  const SequenceBufferOptions options = options_with(10, 100);
  SequenceBuffer buffer(options);
  buffer.stop_growing();
  EXPECT_FALSE(buffer.must_emit());
  SequenceBuffer restored(options);
  restored.restore(state_of(buffer));
  insert(restored, numbered(7));
  EXPECT_TRUE(restored.must_emit());
  EXPECT_EQ(emit(restored), numbered(7));
  EXPECT_FALSE(restored.must_emit());
}

TEST(SequenceBuffer, EmitsAfterTheFirstEpochEvenBelowItsMinimum) {
  BufferRun run(options_with(1000, 2000));
  run.insert_many(7);
  EXPECT_TRUE(run.emitted.empty());
  run.buffer().stop_growing();
  run.emit_what_must();
  run.insert_many(20);
  EXPECT_EQ(run.emitted.size(), 21u);
}

TEST(SequenceBuffer, GoesOnFromItsStateAtEveryPoint) {
  for (const uint32_t vocabulary : {60'000u, 70'000u}) {
    SequenceBufferOptions options = options_with(10, 50);
    options.vocabulary = vocabulary;
    BufferRun straight(options);
    BufferRun restored(options);
    restored.restoring = true;
    for (BufferRun* run : {&straight, &restored}) {
      run->insert_many(60);
      run->buffer().stop_growing();
      run->insert_many(100);
    }
    EXPECT_EQ(restored.events, straight.events);
    EXPECT_EQ(restored.emitted, straight.emitted);
  }
}

TEST(SequenceBuffer, KeepsIdsOfAVocabularyOf65536InSixteenBits) {
  SequenceBufferOptions options = options_with(1, 4);
  options.vocabulary = 65'536;
  SequenceBuffer buffer(options);
  EXPECT_EQ(buffer.token_bytes(), 2u);
  const Sequence sequence{{0, 255, 256, 32'768, 65'535}, 4};
  insert(buffer, sequence);
  EXPECT_EQ(state_of(buffer).array("buffer_tokens").bytes.size(), 10u);
  EXPECT_EQ(emit(buffer), sequence);
}

TEST(SequenceBuffer, KeepsIdsOfALargerVocabularyInThirtyTwoBits) {
  SequenceBufferOptions options = options_with(1, 4);
  options.vocabulary = 65'537;
  SequenceBuffer buffer(options);
  EXPECT_EQ(buffer.token_bytes(), 4u);
  const Sequence sequence{{0, 65'536, 70'000, 1u << 31, 0xffffffffu}, 4};
  insert(buffer, sequence);
  EXPECT_EQ(state_of(buffer).array("buffer_tokens").bytes.size(), 20u);
  EXPECT_EQ(emit(buffer), sequence);
}

TEST(SequenceBuffer, OrdersBySeed) {
  const auto order = [](uint64_t seed) {
    BufferRun run(options_with(50, 100, seed));
    run.insert_many(300);
    return run.emitted;
  };
  EXPECT_EQ(order(1), order(1));
  EXPECT_NE(order(1), order(2));
}

TEST(SequenceBuffer, MixesAcrossItsWholeSize) {
  BufferRun run(options_with(100, 100));
  run.insert_many(1000);
  // The position in the input minus that in the output: 0 for a queue, spread over the capacity for a
  // shuffle.
  double distance = 0;
  for (size_t i = 0; i < run.emitted.size(); ++i) {
    const double from = run.emitted[i].first[0] / 5;
    distance += std::abs(from - static_cast<double>(i) - 50);
  }
  EXPECT_GT(distance / static_cast<double>(run.emitted.size()), 20);
}

}  // namespace
}  // namespace pretrain
