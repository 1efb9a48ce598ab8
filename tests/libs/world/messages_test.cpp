// SPDX-License-Identifier: Apache-2.0
#include "libs/world/messages.h"

#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/base/rng.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

constexpr uint32_t kSlots = 4;

struct Sent {
  std::vector<Batch> batches;
  StepMessage message;
};

Sent some_step() {
  const ModelConfig model = test::tiny_model();
  Sent sent{.batches = {test::random_batch(model, 3, 1), test::random_batch(model, 3, 2)}, .message = {}};
  sent.message = {.generation = 7,
                  .step = 12,
                  .learning_rate = 0.1 + 0.2,
                  .patience = std::chrono::seconds(30),
                  .audit = true,
                  .targets = 40,
                  .batch_hash = UINT64_MAX,
                  .ranges = {{0, 1}, {1, 3}, {3, 4}},
                  .batches = {}};
  return sent;
}

StepMessage unpacked(const std::string& bytes, size_t rank) {
  return StepMessage::unpack(
      bytes, {.slots = kSlots, .rank = rank, .vocabulary = test::tiny_model().vocabulary, .positions = 48});
}

TEST(WorldMessages, AStepBringsTheRowsOfTheReceiversSlots) {
  const Sent sent = some_step();
  const GlobalBatch all(sent.batches);
  for (size_t rank = 0; rank < 3; ++rank) {
    const StepMessage got = unpacked(sent.message.pack(all, kSlots, rank), rank);
    EXPECT_EQ(got.learning_rate, sent.message.learning_rate);
    EXPECT_EQ(got.batch_hash, sent.message.batch_hash);
    EXPECT_EQ(got.ranges, sent.message.ranges);
    EXPECT_TRUE(got.audit);
    const GlobalBatch received(got.batches);
    ASSERT_EQ(received.row_count(), all.row_count());
    for (uint32_t slot = got.ranges[rank].first; slot < got.ranges[rank].last; ++slot) {
      std::vector<uint32_t> expected, actual;
      const auto rows_into = [](std::vector<uint32_t>& rows) {
        return [&rows](const BatchPart& part) {
          const auto at = [&](int64_t row) { return part.batch.inputs.begin() + row * part.batch.context; };
          rows.insert(rows.end(), at(part.rows.first), at(part.rows.last));
        };
      };
      all.for_each_part(kSlots, slot, rows_into(expected));
      received.for_each_part(kSlots, slot, rows_into(actual));
      EXPECT_EQ(actual, expected);
    }
  }
}

TEST(WorldMessages, AreReadAsTheyWereWritten) {
  const FormMessage form{
      .generation = 3, .rank = 1, .size = 2, .key_name = "k", .patience = std::chrono::seconds(1)};
  EXPECT_EQ(FormMessage::unpack(form.pack()).key_name, "k");
  EXPECT_EQ(generation_of(form.pack()), 3U);
  const MeetMessage meet{.generation = 3, .ports = {"a", std::string("\0b", 2), ""}};
  EXPECT_EQ(MeetMessage::unpack(meet.pack()).ports, meet.ports);
  const DoneMessage done{
      .generation = 1, .step = 2, .state = 3, .parameters = 4, .seconds = 0.1, .leaves = true};
  EXPECT_EQ(DoneMessage::unpack(done.pack()).pack(), done.pack());
  const TakeStateMessage state{.state = 5, .updates = 6, .patience = std::chrono::seconds(7)};
  EXPECT_EQ(TakeStateMessage::unpack(state.pack()).updates, 6U);
  EXPECT_EQ(TakeStateMessage::unpack(state.pack()).patience, std::chrono::seconds(7));
  const ConnectedMessage connected{.generation = 8, .state = 9};
  EXPECT_EQ(ConnectedMessage::unpack(connected.pack()).state, 9U);
  const PortsMessage ports{.generation = 10, .ports = std::string("a\0b", 3)};
  EXPECT_EQ(PortsMessage::unpack(ports.pack()).ports, ports.ports);
  const FailedMessage failed{.generation = 1, .rank = -1, .why = "reset"};
  EXPECT_EQ(FailedMessage::unpack(failed.pack()).rank, -1);
}

TEST(WorldMessages, AReasonThatIsTooLongIsCut) {
  const FailedMessage failed{.generation = 1, .rank = 2, .why = std::string(100'000, 'x')};
  EXPECT_EQ(FailedMessage::unpack(failed.pack()).why, std::string(1000, 'x'));
}

template <typename Read>
void expect_refused(const std::string& bytes, const Read& read) {
  try {
    read(bytes);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
  }
}

TEST(WorldMessages, AStepThatIsCutOrTooLongIsRefused) {
  const Sent sent = some_step();
  const std::string whole = sent.message.pack(GlobalBatch(sent.batches), kSlots, 1);
  for (size_t size = 0; size < whole.size(); ++size)
    expect_refused(whole.substr(0, size), [](const std::string& bytes) { unpacked(bytes, 1); });
  expect_refused(whole + "x", [](const std::string& bytes) { unpacked(bytes, 1); });
}

TEST(WorldMessages, ATokenOutsideOfTheVocabularyIsRefused) {
  Sent sent = some_step();
  for (Batch& batch : sent.batches) batch.inputs.assign(batch.inputs.size(), 1000);
  expect_refused(sent.message.pack(GlobalBatch(sent.batches), kSlots, 1),
                 [](const std::string& bytes) { unpacked(bytes, 1); });
}

TEST(WorldMessages, SlotsThatDoNotCoverTheStepAreRefused) {
  Sent sent = some_step();
  for (const auto& ranges : std::vector<std::vector<SlotRange>>{
           {{0, 1}, {1, 3}}, {{0, 1}, {2, 3}, {3, 4}}, {{0, 4}, {4, 4}, {4, 5}}, {{0, 2}, {2, 1}, {1, 4}}}) {
    sent.message.ranges = ranges;  // the only thing that is read of it
    const std::string bytes = sent.message.pack(GlobalBatch(std::span<const Batch>()), kSlots, 1);
    expect_refused(bytes, [](const std::string& text) { unpacked(text, 1); });
  }
}

TEST(WorldMessages, DamagedBytesNeverDoHarm) {
  const Sent sent = some_step();
  const std::string whole = sent.message.pack(GlobalBatch(sent.batches), kSlots, 1);
  Rng rng(1);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = whole;
    for (int flips = 0; flips < 3; ++flips)
      bytes[rng.below(bytes.size())] ^= static_cast<char>(1U << rng.below(8));
    try {
      unpacked(bytes, 1);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace pretrain
