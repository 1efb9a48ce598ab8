// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/writer.h"

#include <algorithm>
#include <future>
#include <limits>

#include <gmock/gmock.h>

#include "tests/libs/checkpoint/sample.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using namespace test;
using testing::HasSubstr;

TEST(CheckpointWriter, SavesInTheBackgroundAndReportsOnce) {
  const TempFolder state;
  CheckpointStore store(real_file_system(), state.path(), {});
  CheckpointWriter writer(store);
  EXPECT_FALSE(writer.busy());
  EXPECT_FALSE(writer.poll());
  const Sample sample(7);
  writer.start(sample.content());
  const auto result = writer.wait();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->ok);
  EXPECT_EQ(result->step, 7U);
  EXPECT_GT(result->bytes, 0U);
  EXPECT_GT(result->duration.count(), 0);
  EXPECT_FALSE(writer.busy());
  EXPECT_FALSE(writer.poll());
  EXPECT_FALSE(writer.wait());
  EXPECT_TRUE(holds_sample(*find_newest_verified(state.path())));
}

TEST(CheckpointWriter, LetsTheSourcesChangeWhileItIsStillWriting) {
  const TempFolder state;
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {});
  std::promise<void> changed;
  auto is_changed = changed.get_future();
  bool waited = false;
  files.set_observer([&](const Call& call) {  // the first sync comes after the sources were let go
    if (call.operation != Operation::kSync || waited) return;
    waited = true;
    is_changed.wait();
  });
  CheckpointWriter writer(store);
  Sample sample(7);
  writer.start(sample.content());
  writer.wait_until_sources_read();
  std::ranges::fill(sample.weights, -1.0F);
  std::ranges::fill(sample.tokens, 0);
  EXPECT_TRUE(writer.busy());
  changed.set_value();
  EXPECT_TRUE(writer.wait()->ok);
  EXPECT_TRUE(holds_sample(*find_newest_verified(state.path())));
}

TEST(CheckpointWriter, HoldsTheSourcesUntilTheyAreRead) {
  const TempFolder state;
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {});
  std::promise<void> reached;
  std::promise<void> go_on;
  auto may_go_on = go_on.get_future();
  files.set_observer([&](const Call& call) {
    if (call.operation != Operation::kWrite || call.path.filename() != "model.safetensors") return;
    files.set_observer({});
    reached.set_value();
    may_go_on.wait();
  });
  CheckpointWriter writer(store);
  const Sample sample(7);
  writer.start(sample.content());
  reached.get_future().wait();
  auto waiting = std::async(std::launch::async, [&] { writer.wait_until_sources_read(); });
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  go_on.set_value();
  waiting.get();
  EXPECT_TRUE(writer.wait()->ok);
}

TEST(CheckpointWriter, TurnsAFailureIntoAResultAndGoesOn) {
  const TempFolder state;
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {});
  CheckpointWriter writer(store);
  files.set_fault({.code = ENOSPC, .first_call = files.call_count() + 1, .lasting = true});
  const Sample first(1);
  writer.start(first.content());
  writer.wait_until_sources_read();
  const auto failed = writer.wait();
  ASSERT_TRUE(failed);
  EXPECT_FALSE(failed->ok);
  EXPECT_THAT(failed->error, HasSubstr("No space left on device"));
  files.clear_fault();
  const Sample second(2);
  writer.start(second.content());
  EXPECT_TRUE(writer.wait()->ok);
}

TEST(CheckpointWriter, ReportsWeightsThatAreNotFinite) {
  const TempFolder state;
  CheckpointStore store(real_file_system(), state.path(), {});
  CheckpointWriter writer(store);
  Sample sample(1);
  sample.weights[3] = std::numeric_limits<float>::quiet_NaN();
  writer.start(sample.content());
  writer.wait_until_sources_read();
  EXPECT_THAT(writer.wait()->error, HasSubstr("not finite"));
  EXPECT_FALSE(find_newest_verified(state.path()));
}

TEST(CheckpointWriter, KeepsResultsInOrderUntilTheyAreFetched) {
  const TempFolder state;
  CheckpointStore store(real_file_system(), state.path(), {});
  CheckpointWriter writer(store);
  const Sample first(1);
  const Sample second(2);
  writer.start(first.content());
  EXPECT_EQ(writer.wait()->step, 1U);
  writer.start(first.content());
  while (writer.busy()) writer.wait_until_sources_read();
  writer.start(second.content());
  EXPECT_EQ(writer.wait()->step, 1U);
  EXPECT_EQ(writer.poll()->step, 2U);
}

TEST(CheckpointWriter, FinishesTheRunningSaveWhenItIsDestroyed) {
  const TempFolder state;
  CheckpointStore store(real_file_system(), state.path(), {});
  const Sample sample(9);
  {
    CheckpointWriter writer(store);
    writer.start(sample.content());
  }
  EXPECT_TRUE(holds_sample(*find_newest_verified(state.path())));
}

}  // namespace
}  // namespace pretrain
