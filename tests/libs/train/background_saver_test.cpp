// SPDX-License-Identifier: Apache-2.0
#include "libs/train/background_saver.h"

#include <cerrno>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

class BackgroundSaverTest : public testing::Test {
 protected:
  BackgroundSaverTest() { recorder_.open_log({}, 0); }

  BackgroundSaver::Parts parts() {
    return {.store = store_,
            .recorder = recorder_,
            .take_request = [this] { return std::exchange(asked_, false); },
            .on_step_saved = [this](uint64_t step) { saved_.push_back(step); },
            .place = folder_.path()};
  }

  /// Saves and waits for it.
  void save(BackgroundSaver& saver, uint64_t step) {
    saver.save(step, [&](StreamState&) {
      ++captures_;
      CheckpointContent content;
      content.step = step;
      content.files.push_back({.name = "data", .data = std::string("x")});
      return content;
    });
    saver.wait();
  }

  test::TempFolder folder_;
  test::FaultyFileSystem files_;
  test::RecordingObserver observer_;
  CheckpointStore store_{files_, folder_.path(), {}};
  RunRecorder recorder_{files_, folder_.path(), {&observer_}};
  bool asked_ = false;
  int captures_ = 0;
  std::vector<uint64_t> saved_;
};

constexpr SavingOptions kNever{.interval = std::chrono::milliseconds(0)};

TEST_F(BackgroundSaverTest, IsDueAtEachSoManySteps) {
  BackgroundSaver saver(parts(), {.interval = std::chrono::milliseconds(0), .every = 4});
  saver.begin_session({});
  for (uint64_t step = 1; step <= 12; ++step) EXPECT_EQ(saver.is_due(step), step % 4 == 0) << step;
}

TEST_F(BackgroundSaverTest, IsDueAnIntervalAfterTheBeginningOfTheSession) {
  BackgroundSaver rarely(parts(), {.interval = std::chrono::hours(1)});
  rarely.begin_session({});
  EXPECT_FALSE(rarely.is_due(1));
  BackgroundSaver often(parts(), {.interval = std::chrono::milliseconds(1)});
  often.begin_session({});
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
  while (std::chrono::steady_clock::now() < end) {
  }
  EXPECT_TRUE(often.is_due(1));
}

TEST_F(BackgroundSaverTest, RemembersARequestUntilItSaves) {
  BackgroundSaver saver(parts(), kNever);
  saver.begin_session({});
  EXPECT_FALSE(saver.is_due(1));
  asked_ = true;
  EXPECT_TRUE(saver.is_due(2));
  EXPECT_TRUE(saver.is_due(3)) << "nothing could be saved at step 2";
  save(saver, 3);
  EXPECT_FALSE(saver.is_due(4));
}

TEST_F(BackgroundSaverTest, SavesNoStepTwice) {
  BackgroundSaver saver(parts(), kNever);
  saver.begin_session({});
  save(saver, 3);
  save(saver, 3);
  EXPECT_EQ(captures_, 1);
  EXPECT_EQ(observer_.saves.size(), 1U);
  EXPECT_EQ(saver.last_good_step(), 3U);
  EXPECT_EQ(saved_, (std::vector<uint64_t>{3}));
}

TEST_F(BackgroundSaverTest, DoesNotSaveTheStepThatTheSessionBeganWith) {
  BackgroundSaver saver(parts(), kNever);
  saver.begin_session(3);
  EXPECT_EQ(saver.last_good_step(), 3U);
  save(saver, 3);
  EXPECT_EQ(captures_, 0);
}

TEST_F(BackgroundSaverTest, AfterAReturnSavesTheLaterStepsAnew) {
  BackgroundSaver saver(parts(), kNever);
  saver.begin_session({});
  save(saver, 3);
  saver.return_to(2);
  EXPECT_EQ(saver.last_good_step(), 2U);
  save(saver, 3);
  EXPECT_EQ(captures_, 2);
}

TEST_F(BackgroundSaverTest, KnowsTheNewestStepThatIsSafe) {
  BackgroundSaver saver(parts(), kNever);
  saver.begin_session({});
  save(saver, 3);
  files_.set_fault({.code = ENOSPC, .first_call = files_.call_count() + 1, .lasting = true});
  save(saver, 5);
  files_.clear_fault();
  EXPECT_EQ(saver.last_good_step(), 3U);
  EXPECT_EQ(recorder_.snapshot().saved_step, 3U);
  EXPECT_NE(recorder_.snapshot().failed_save, "");
  save(saver, 6);
  EXPECT_EQ(saver.last_good_step(), 6U);
  EXPECT_EQ(saved_, (std::vector<uint64_t>{3, 6}));
  ASSERT_EQ(observer_.saves.size(), 3U);
  EXPECT_FALSE(observer_.saves[1].ok);
}

TEST_F(BackgroundSaverTest, CountsWhatItCostsTheTrainer) {
  BackgroundSaver saver(parts(), kNever);
  saver.begin_session({});
  const double before = recorder_.summary().split.checkpoint;
  save(saver, 1);
  EXPECT_GT(recorder_.summary().split.checkpoint, before);
  EXPECT_GE(saver.wait_until_sources_read(), 0) << "nothing is under way";
}

}  // namespace
}  // namespace pretrain
