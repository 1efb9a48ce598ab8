// SPDX-License-Identifier: Apache-2.0
// Requests to a trainer: what they do, and that none of them changes what is trained.

#include <random>

#include <gtest/gtest.h>

#include "libs/metrics/record_reader.h"
#include "libs/train/evaluation_plan.h"
#include "libs/train/run_control.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::steps_only;
using test::TestRun;

std::vector<nlohmann::json> records_of_kind(const TestRun& run, const std::string& kind) {
  std::vector<nlohmann::json> found;
  for (const auto& record : run.log()) {
    if (record.at("kind") == kind) found.push_back(record);
  }
  return found;
}

/// The numbers of all steps but times.
std::vector<nlohmann::json> numbers_of(const TestRun& run) {
  std::vector<nlohmann::json> numbers;
  for (const auto& record : records_of_kind(run, "step"))
    numbers.push_back(
        {record.at("step"), record.at("loss"), record.at("grad_norm"), record.at("batch_hash")});
  return numbers;
}

TEST(TrainerControl, PausesSavesAndNewThreadsAtRandomChangeNoBit) {
  constexpr uint64_t kSteps = 30;
  TestRun plain;
  plain.threads = 3;
  plain.train(steps_only(kSteps));
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    RunControl control;
    TestRun run;
    run.threads = 3;
    run.control = &control;
    uint64_t pauses = 0;
    run.observer.after_step = [&](uint64_t) {
      if (random() % 2 == 0) control.change({.threads = 1 + static_cast<int>(random() % 3)});
      if (random() % 3 == 0) control.request_save();
      if (random() % 3 != 0) return;
      control.pause(PauseReason::kRequest);
      ++pauses;
    };
    run.observer.at_progress = [&] {
      if (random() % 2 == 0) control.change({.threads = 1 + static_cast<int>(random() % 3)});
      control.proceed();
    };
    run.train(steps_only(kSteps / 2));
    run.train(steps_only(kSteps));  // as a new process
    ASSERT_GT(pauses, 2U);
    EXPECT_EQ(run.parameters(), plain.parameters());
    EXPECT_EQ(run.newest_hashes(), plain.newest_hashes());
    EXPECT_EQ(numbers_of(run), numbers_of(plain));
    EXPECT_GT(records_of_kind(run, "settings").size(), 2U);
    EXPECT_EQ(records_of_kind(run, "paused").size(), records_of_kind(run, "continued").size());
  }
}

TEST(TrainerControl, APausedRunHasSavedAndReportsProgress) {
  RunControl control;
  TestRun run;
  run.control = &control;
  uint64_t progress = 0;
  std::vector<uint64_t> saved;
  run.observer.after_step = [&](uint64_t step) {
    if (step == 3) control.pause(PauseReason::kBattery);
    progress = 0;
  };
  run.observer.after_save = [&](const SaveResult& result) {
    if (result.ok) saved.push_back(result.step);
  };
  run.observer.at_progress = [&] {
    if (control.pause_due() && ++progress == 3) control.end_pause(PauseReason::kBattery);
    if (control.pause_due()) control.request_save();  // wakes it at once; nothing is left to save
  };
  run.train(steps_only(5));
  EXPECT_EQ(saved, (std::vector<uint64_t>{0, 3, 5}));
  const auto paused = records_of_kind(run, "paused");
  ASSERT_EQ(paused.size(), 1U);
  EXPECT_EQ(paused.front().at("step"), 3);
  EXPECT_EQ(paused.front().at("why"), "battery");
  EXPECT_EQ(records_of_kind(run, "end").front().at("split").at("paused"),
            records_of_kind(run, "continued").front().at("seconds"));
}

TEST(TrainerControl, APauseThatReplacesAnotherIsRecorded) {
  RunControl control;
  TestRun run;
  run.control = &control;
  run.observer.after_step = [&](uint64_t step) {
    if (step == 2) control.pause(PauseReason::kRequest, std::chrono::hours(2));
  };
  uint64_t progress = 0;
  run.observer.at_progress = [&] {
    if (!control.pause_due()) return;
    ++progress;
    if (progress == 1) control.pause(PauseReason::kRequest, std::chrono::hours(1));
    if (progress == 3) control.pause(PauseReason::kBattery);  // after the request in the order of reasons
    if (progress == 4) control.end_pause(PauseReason::kRequest);
    if (progress == 6) control.proceed();
    control.request_save();  // wakes it at once; nothing is left to save
  };
  run.train(steps_only(3));
  const auto paused = records_of_kind(run, "paused");
  ASSERT_EQ(paused.size(), 3U);
  EXPECT_EQ(paused[0].at("seconds"), 7200);
  EXPECT_EQ(paused[1].at("seconds"), 3600);
  EXPECT_EQ(paused[2].at("why"), "battery");
  EXPECT_EQ(records_of_kind(run, "continued").size(), 1U);
}

TEST(TrainerControl, AStopEndsAPause) {
  RunControl control;
  TestRun run;
  run.control = &control;
  control.pause(PauseReason::kHours);  // before the first step
  run.observer.at_progress = [&] {
    if (control.pause_due()) run.stop.request_stop();
  };
  const RunSummary summary = run.train(steps_only(5));
  EXPECT_EQ(summary.reason, EndReason::kStopped);
  EXPECT_EQ(summary.last_step, 0U);
  EXPECT_EQ(records_of_kind(run, "end").front().at("reason"), "stopped");
}

TEST(TrainerControl, ANewIntervalSavesByTime) {
  RunControl control;
  TestRun run;
  run.control = &control;
  run.observer.after_step = [&](uint64_t step) {
    if (step == 2) control.change({.checkpoint_interval = std::chrono::milliseconds(1)});
    const auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(2)) {
    }
  };
  run.train(steps_only(6));
  EXPECT_EQ(run.checkpoint_steps().size(), 5U) << "steps 0, 3, 4, 5 and 6";
  EXPECT_EQ(records_of_kind(run, "settings").front().at("changed"),
            (nlohmann::json{{"checkpoint-interval", {"0s", "1ms"}}}));
}

/// A run of five steps with a pause that takes longer than `limit` after the second one. Seconds besides the pause.
double seconds_without_pause(TestRun& run, RunControl& control, const TrainerOptions& options,
                             std::chrono::milliseconds limit) {
  using Clock = std::chrono::steady_clock;
  run.control = &control;
  run.observer.after_step = [&](uint64_t step) {
    if (step == 2) control.pause(PauseReason::kRequest);
  };
  Clock::duration paused{};
  run.observer.at_progress = [&] {
    if (!control.pause_due()) return;
    const auto start = Clock::now();
    while (Clock::now() - start < limit) {
    }
    paused = Clock::now() - start;
    control.proceed();
  };
  const auto start = Clock::now();
  run.train(options);
  EXPECT_GE(paused, limit);
  return std::chrono::duration<double>(Clock::now() - start - paused).count();
}

/// Calls check(limit) with longer and longer limits until it had less than that besides its pause.
template <typename F>
void with_a_limit_that_suffices(const F& check) {
  for (std::chrono::milliseconds limit(100);; limit *= 2) {
    if (check(limit) < std::chrono::duration<double>(limit).count()) return;
    ASSERT_LT(limit, std::chrono::minutes(1)) << "no limit was long enough for five steps";
  }
}

TEST(TrainerControl, APauseDoesNotCountForALimitedTime) {
  with_a_limit_that_suffices([](std::chrono::milliseconds limit) {
    TestRun run;
    RunControl control;
    TrainerOptions options = steps_only(5);
    options.max_time = limit;
    const double seconds = seconds_without_pause(run, control, options, limit);
    if (seconds < std::chrono::duration<double>(limit).count()) {
      EXPECT_EQ(run.observer.steps.size(), 5U) << "ended by its time";
    }
    return seconds;
  });
}

TEST(TrainerControl, APauseDoesNotCountForTheIntervalOfCheckpoints) {
  with_a_limit_that_suffices([](std::chrono::milliseconds limit) {
    TestRun run;
    RunControl control;
    TrainerOptions options = steps_only(5);
    options.checkpoint_interval = limit;
    const double seconds = seconds_without_pause(run, control, options, limit);
    if (seconds < std::chrono::duration<double>(limit).count()) {
      EXPECT_EQ(run.checkpoint_steps(), (std::vector<uint64_t>{5, 2, 0}))
          << "of the start, the pause, the end";
    }
    return seconds;
  });
}

TEST(RunControl, AnEndedTimeEndsThePause) {
  RunControl control;
  control.pause(PauseReason::kRequest, std::chrono::seconds(0));
  EXPECT_FALSE(control.pause_due());
  control.pause(PauseReason::kRequest, std::chrono::hours(1));
  ASSERT_TRUE(control.pause_due());
  EXPECT_EQ(control.pause_due()->time, std::chrono::hours(1));
}

TEST(RunControl, PausesOfSeveralReasonsEndOneByOneOrTogether) {
  RunControl control;
  control.pause(PauseReason::kHours);
  control.pause(PauseReason::kBattery);
  control.end_pause(PauseReason::kHours);
  ASSERT_TRUE(control.pause_due());
  EXPECT_EQ(control.pause_due()->reason, PauseReason::kBattery);
  control.pause(PauseReason::kHours);
  control.proceed();
  EXPECT_FALSE(control.pause_due());
}

TEST(RunControl, TakesEachRequestOnce) {
  RunControl control;
  EXPECT_FALSE(control.take_save_request());
  control.request_save();
  EXPECT_TRUE(control.save_is_requested());
  EXPECT_TRUE(control.take_save_request());
  EXPECT_FALSE(control.take_save_request());
  control.change({.threads = 2});
  control.change({.checkpoint_interval = std::chrono::seconds(5)});
  const ChangedSettings changes = control.take_changes();
  EXPECT_EQ(changes.threads, 2);
  EXPECT_EQ(changes.checkpoint_interval, std::chrono::seconds(5));
  EXPECT_FALSE(control.take_changes().any());
}

TEST(EvaluationPlan, IsDenseAtFirst) {
  std::vector<uint64_t> due;
  for (uint64_t step = 0; step <= 1500; ++step) {
    if (evaluation_is_due(500, step)) due.push_back(step);
  }
  EXPECT_EQ(due, (std::vector<uint64_t>{31, 62, 125, 250, 500, 1000, 1500}));
  EXPECT_FALSE(evaluation_is_due(40, 20)) << "too early";
  EXPECT_FALSE(evaluation_is_due(0, 500));
}

TEST(EvaluationPlan, CountsWhatIsDue) {
  for (const uint64_t every : {0U, 1U, 3U, 50U, 100U, 500U}) {
    for (uint64_t after = 0; after < 60; after += 7) {
      uint64_t count = 0;
      for (uint64_t last = after; last < 700; ++last) {
        if (last > after && evaluation_is_due(every, last)) ++count;
        ASSERT_EQ(evaluations_between(every, after, last), count) << every << " " << after << " " << last;
      }
    }
  }
}

TEST(TrainerRecord, AResumeAfterAKillLeavesNoDuplicateAndNoGap) {
  TestRun run;
  run.evaluation = {};
  TrainerOptions options = steps_only(20);
  options.checkpoint_every = 7;
  options.sample_every = 2;
  for (const uint64_t killed_at : {10U, 16U, 20U}) {
    run.observer.after_step = [&](uint64_t step) {
      if (step == killed_at && killed_at < 20) throw std::runtime_error("killed");
    };
    // A killed process saves nothing more.
    run.observer.before_save = [&](uint64_t step) {
      if (step == killed_at && killed_at < 20) throw std::runtime_error("killed");
    };
    try {
      run.train(options);
    } catch (const std::runtime_error&) {
    }
  }
  const RunRecord record = read_run_record(run.state_folder());
  ASSERT_EQ(record.curve.all_points().size(), 20U);
  for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(record.curve.all_points()[i].step, i + 1);
  std::vector<uint64_t> samples;
  for (const RecordedEvent& sample : record.samples) samples.push_back(sample.step);
  EXPECT_EQ(samples, (std::vector<uint64_t>{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20}));
  EXPECT_EQ(record.schema, 1U);
}

}  // namespace
}  // namespace pretrain
