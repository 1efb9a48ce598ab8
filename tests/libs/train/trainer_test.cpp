// SPDX-License-Identifier: Apache-2.0
#include "libs/train/trainer.h"

#include <gtest/gtest.h>

#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::steps_only;
using test::TestRun;

std::vector<uint64_t> steps_of(const std::vector<StepRecord>& records) {
  std::vector<uint64_t> steps;
  for (const StepRecord& record : records) steps.push_back(record.step);
  return steps;
}

TEST(Trainer, TrainsToTheLimitOfSteps) {
  TestRun run;
  const RunSummary summary = run.train(steps_only(3));
  EXPECT_EQ(summary.reason, EndReason::kLimit);
  EXPECT_EQ(summary.first_step, 0U);
  EXPECT_EQ(summary.last_step, 3U);
  EXPECT_EQ(steps_of(run.observer.steps), (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(run.checkpoint_steps(), (std::vector<uint64_t>{3, 0}));
}

TEST(Trainer, TrainsToTheLimitOfTokens) {
  TestRun run;
  TrainerOptions options = steps_only(0);
  uint64_t tokens = 0;
  for (uint64_t n = 0; n < 4; ++n) tokens += test::random_batch(run.model, run.source.rows, n).target_count;
  options.max_tokens = tokens - 1;  // reached within the fourth batch
  const RunSummary summary = run.train(options);
  EXPECT_EQ(summary.reason, EndReason::kLimit);
  EXPECT_EQ(summary.last_step, 4U);
  EXPECT_EQ(summary.tokens, tokens);
}

TEST(Trainer, EndsWithTheStepThatReachesTheLimitOfTokensExactly) {
  TestRun run;
  TrainerOptions options = steps_only(0);
  for (uint64_t n = 0; n < 2; ++n)
    options.max_tokens += test::random_batch(run.model, run.source.rows, n).target_count;
  const RunSummary summary = run.train(options);
  EXPECT_EQ(summary.last_step, 2U);
  EXPECT_TRUE(summary.limits.tokens);
  EXPECT_FALSE(summary.limits.steps || summary.limits.time);
}

TEST(Trainer, EndsAfterItsTime) {
  TestRun run;
  TrainerOptions options = steps_only(0);
  options.max_time = std::chrono::milliseconds(1);
  const RunSummary summary = run.train(options);
  EXPECT_EQ(summary.reason, EndReason::kLimit);
  EXPECT_TRUE(summary.limits.time);
  EXPECT_FALSE(summary.limits.steps || summary.limits.tokens);
}

TEST(Trainer, EndsWithItsStream) {
  TestRun run;
  run.source.batches = 5;
  TrainerOptions options = steps_only(0);
  options.accumulate = 2;
  const RunSummary summary = run.train(options);
  EXPECT_EQ(summary.reason, EndReason::kStreamEnd);
  EXPECT_EQ(summary.last_step, 3U);  // the last one has a single batch
  EXPECT_EQ(run.checkpoint_steps().front(), 3U);
}

TEST(Trainer, LearnsOneBatchByHeart) {
  TestRun run;
  run.model.d_model = 32;
  run.model.d_ff = 64;
  run.source.same_batch = true;
  TrainerOptions options = steps_only(300);
  options.schedule = {.kind = ScheduleKind::kCosine, .peak = 1e-2, .warmup_steps = 10, .total_steps = 300};
  options.micro_rows = 3;
  run.train(options);
  EXPECT_GT(run.observer.steps.front().loss, 2);
  EXPECT_LT(run.observer.steps.back().loss, 0.05);
}

TEST(Trainer, FollowsTheSchedule) {
  TestRun run;
  const TrainerOptions options = steps_only(8);
  run.train(options);
  for (const StepRecord& record : run.observer.steps) {
    EXPECT_EQ(record.learning_rate, options.schedule.at(record.step)) << record.step;
  }
}

TEST(Trainer, SavesWhenDueAndWhenAsked) {
  TestRun run;
  TrainerOptions options = steps_only(9);
  options.checkpoint_every = 4;
  run.take_save_request = [&] { return run.observer.steps.size() == 7; };
  run.train(options);
  EXPECT_EQ(run.checkpoint_steps(), (std::vector<uint64_t>{9, 8, 7, 4, 0}));
  for (const SaveResult& result : run.observer.saves) EXPECT_TRUE(result.ok) << result.error;
}

TEST(Trainer, SavesAStepOnce) {
  TestRun run;
  TrainerOptions options = steps_only(4);
  options.checkpoint_every = 2;
  run.train(options);
  EXPECT_EQ(run.observer.saves.size(), 3U);  // steps 0, 2 and 4; the last is the final one too
}

TEST(Trainer, SavesByTime) {
  TestRun run;
  TrainerOptions options = steps_only(3);
  options.checkpoint_interval = std::chrono::milliseconds(1);
  // Each step outlasts the interval: the clock has gone on by then.
  run.source.before_batch = [](uint64_t) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    while (std::chrono::steady_clock::now() < end) {
    }
  };
  run.train(options);
  EXPECT_EQ(run.checkpoint_steps(), (std::vector<uint64_t>{3, 2, 1, 0}));
}

TEST(Trainer, EvaluatesAndSamplesAtBothEndsAndInBetween) {
  TestRun run;
  TrainerOptions options = steps_only(10);
  options.evaluate_every = 4;
  options.sample_every = 5;
  const RunSummary summary = run.train(options);
  EXPECT_EQ(run.observer.evaluations, (std::vector<uint64_t>{0, 4, 8, 10}));
  EXPECT_EQ(run.observer.samples, (std::vector<uint64_t>{0, 5, 10}));
  ASSERT_TRUE(summary.first_evaluation && summary.last_evaluation);
  EXPECT_NEAR(summary.first_evaluation->result.loss, std::log(run.model.vocabulary),
              0.1);  // knows nothing yet
}

TEST(Trainer, EvaluatesAndSamplesOnceWhereTheEndIsDueAnyway) {
  TestRun run;
  TrainerOptions options = steps_only(8);
  options.evaluate_every = 4;
  options.sample_every = 4;
  run.train(options);
  EXPECT_EQ(run.observer.evaluations, (std::vector<uint64_t>{0, 4, 8}));
  EXPECT_EQ(run.observer.samples, (std::vector<uint64_t>{0, 4, 8}));
}

TEST(Trainer, AStepIsOfTheEpochOfItsLastBatch) {
  TestRun run;
  run.source.batches_in_epoch = 3;
  TrainerOptions options = steps_only(4);
  options.accumulate = 2;
  run.train(options);
  std::vector<uint64_t> epochs;
  for (const StepRecord& record : run.observer.steps) epochs.push_back(record.epoch);
  EXPECT_EQ(epochs, (std::vector<uint64_t>{0, 1, 1, 2}));
}

TEST(Trainer, SumsWhatItsTimeWentInto) {
  TestRun run;
  const RunSummary summary = run.train(steps_only(4));
  TimeSplit sum;
  for (const StepRecord& record : run.observer.steps) {
    sum.forward += record.pass.forward;
    sum.backward += record.pass.backward;
    sum.loss += record.pass.loss;
    sum.optimizer += record.optimizer_seconds;
    sum.data_wait += record.data_wait_seconds;
  }
  const TimeSplit& split = summary.split;
  EXPECT_DOUBLE_EQ(split.forward, sum.forward);
  EXPECT_DOUBLE_EQ(split.backward, sum.backward);
  EXPECT_DOUBLE_EQ(split.loss, sum.loss);
  EXPECT_DOUBLE_EQ(split.optimizer, sum.optimizer);
  EXPECT_DOUBLE_EQ(split.data_wait, sum.data_wait);
  for (const double part :
       {split.forward, split.backward, split.optimizer, split.evaluation, split.checkpoint})
    EXPECT_GT(part, 0);
  EXPECT_LE(split.forward + split.backward + split.optimizer + split.data_wait + split.checkpoint +
                split.evaluation + split.samples,
            summary.seconds)
      << "each second counts once";
}

TEST(Trainer, TheSpeedOfAStepIsThatOfItsTokens) {
  TestRun run;
  run.train(steps_only(3));
  for (const StepRecord& record : run.observer.steps) {
    EXPECT_DOUBLE_EQ(record.tokens_per_second, static_cast<double>(record.step_tokens) / record.step_seconds);
    EXPECT_GE(record.step_seconds, record.pass.forward + record.pass.backward + record.optimizer_seconds +
                                       record.data_wait_seconds);
    EXPECT_GT(record.utilization, 0);
  }
}

TEST(Trainer, SumsTheSecondsInStepsOverAllSessions) {
  TestRun run;
  run.train(steps_only(2));
  run.train(steps_only(5));
  ASSERT_EQ(run.observer.steps.size(), 5U);
  double seconds = 0;
  for (const StepRecord& record : run.observer.steps) seconds += record.step_seconds;
  const Path folder = checkpoints_folder(run.state_folder()) / checkpoint_name(5);
  EXPECT_NEAR(saved_numbers_of(folder / "state.json", 5).run.trained_seconds, seconds, 1e-9);
}

/// Asks for a stop after a step.
void stop_after(TestRun& run, uint64_t step) {
  run.observer.after_step = [&run, step](uint64_t done) {
    if (done == step) run.stop.request_stop();
  };
}

TEST(Trainer, EvaluatesAtAStopWhenThatIsQuick) {
  TestRun run;
  stop_after(run, 3);
  const RunSummary summary = run.train(steps_only(9));
  EXPECT_EQ(summary.reason, EndReason::kStopped);
  EXPECT_EQ(run.observer.evaluations, (std::vector<uint64_t>{0, 3}));
  ASSERT_TRUE(summary.first_evaluation && summary.last_evaluation);
  EXPECT_EQ(summary.first_evaluation->step, 0U);
  EXPECT_EQ(summary.last_evaluation->step, 3U);
}

TEST(Trainer, DoesNotEvaluateAtAStopWhenTheLastEvaluationTookLong) {
  TestRun run;
  stop_after(run, 3);
  run.observer.at_progress = [&] {
    if (run.observer.progress > 1) return;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2100);
    while (std::chrono::steady_clock::now() < end) {
    }
  };
  EXPECT_EQ(run.train(steps_only(9)).reason, EndReason::kStopped);
  EXPECT_EQ(run.observer.evaluations, (std::vector<uint64_t>{0}));
}

TEST(Trainer, LeavesOutEvaluationsForWhichALimitedTimeHasNoRoom) {
  TestRun run;
  TrainerOptions options = steps_only(3);
  options.micro_rows = 1;
  options.evaluate_every = 1;
  options.max_time = std::chrono::seconds(20);
  // The first of five parts takes a second: more than two seconds, a tenth of the time, are to be expected.
  run.observer.at_progress = [&] {
    if (run.observer.progress > 1) return;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1010);
    while (std::chrono::steady_clock::now() < end) {
    }
  };
  const RunSummary summary = run.train(options);
  EXPECT_EQ(run.observer.evaluations, (std::vector<uint64_t>{3})) << "the last one is always made";
  EXPECT_GT(summary.split.evaluation, 1.0) << "what was broken off counts too";
  EXPECT_EQ(summary.last_evaluation->step, 3U);
}

TEST(Trainer, EvaluatesAsEverWhereALimitedTimeHasRoom) {
  TestRun run;
  TrainerOptions options = steps_only(2);
  options.evaluate_every = 1;
  options.max_time = std::chrono::hours(1);
  run.train(options);
  EXPECT_EQ(run.observer.evaluations, (std::vector<uint64_t>{0, 1, 2}));
}

TEST(Trainer, TellsItsObserversWhatItDoes) {
  TestRun run;
  run.train(steps_only(2));
  using enum RunPhase;
  EXPECT_EQ(run.observer.phases,
            (std::vector<RunPhase>{kEvaluating, kStarting, kSampling, kStarting, kTraining, kFinishing,
                                   kEvaluating, kFinishing, kSampling, kFinishing}));
}

TEST(Trainer, TellsItsObserversHowTheRunIsDoing) {
  TestRun run;
  TrainerOptions options = steps_only(3);
  options.max_epochs = 2;
  options.epoch_tokens = 1'000'000;
  RunSummary summary = run.train(options);
  ASSERT_EQ(run.observer.snapshots.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    const RunSnapshot& snapshot = run.observer.snapshots[i];
    EXPECT_EQ(snapshot.phase, RunPhase::kTraining);
    EXPECT_EQ(snapshot.step, i + 1);
    EXPECT_EQ(snapshot.steps, i + 1);
    EXPECT_EQ(snapshot.tokens, run.observer.steps[i].tokens);
    EXPECT_EQ(snapshot.limits.max_steps, 3U);
    EXPECT_EQ(snapshot.limits.max_epochs, 2U);
    EXPECT_EQ(snapshot.limits.epoch_tokens, 1'000'000U);
    EXPECT_EQ(snapshot.validation->step, 0U);
    EXPECT_TRUE(snapshot.time_left);
  }
  EXPECT_EQ(summary.run.phase, RunPhase::kFinishing);
  EXPECT_EQ(summary.run.step, 3U);
  EXPECT_EQ(summary.run.saved_step, 3U);
  EXPECT_EQ(summary.run.validation->step, 3U);

  run.observer.snapshots.clear();
  options.max_steps = 4;
  options.evaluate_every = 0;
  summary = run.train(options);
  ASSERT_EQ(run.observer.snapshots.size(), 1U);
  const RunSnapshot& resumed = run.observer.snapshots.front();
  EXPECT_EQ(resumed.steps, 1U) << "of this session";
  EXPECT_EQ(resumed.validation->step, 3U) << "known from the session before";
  EXPECT_EQ(resumed.saved_step, 3U);
  EXPECT_TRUE(resumed.since_save);
}

TEST(Trainer, ASessionThatTrainsNothingShowsNothing) {
  TestRun run;
  run.train(steps_only(3));
  run.observer.evaluations.clear();
  run.observer.samples.clear();
  const RunSummary summary = run.train(steps_only(2));
  EXPECT_TRUE(summary.limits.steps);
  EXPECT_EQ(summary.last_step, 3U);
  EXPECT_TRUE(run.observer.evaluations.empty());
  EXPECT_TRUE(run.observer.samples.empty());
}

TEST(Trainer, NamesTheLimitsThatItReached) {
  TestRun run;
  TrainerOptions options = steps_only(2);
  options.max_tokens = 1;
  const RunSummary summary = run.train(options);
  EXPECT_EQ(summary.last_step, 1U);
  EXPECT_TRUE(summary.limits.tokens);
  EXPECT_FALSE(summary.limits.steps);
}

std::vector<uint64_t> logged_evaluations(const TestRun& run) {
  std::vector<uint64_t> steps;
  for (const auto& record : run.log()) {
    if (record.contains("validation_loss")) steps.push_back(record["step"]);
  }
  return steps;
}

TEST(Trainer, TheLastCheckpointHasTheLastEvaluationAlsoWhenItIsDueAnyway) {
  TestRun run;
  TrainerOptions options = steps_only(6);
  options.checkpoint_every = 3;
  run.train(options);
  const auto newest = find_newest_verified(run.state_folder());
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->step, 6U);
  const auto state = nlohmann::json::parse(read_file(newest->folder / "state.json"));
  EXPECT_EQ(state.at("evaluation").at("step"), 6);
}

TEST(Trainer, AnEvaluationAfterTheLastSaveStaysInTheLog) {
  TestRun run;
  TrainerOptions options = steps_only(9);
  options.checkpoint_every = 3;
  stop_after(run, 6);
  run.train(options);  // step 6 is saved before it is evaluated
  run.observer = {};
  run.stop = std::stop_source();
  const RunSummary summary = run.train(options);
  EXPECT_EQ(logged_evaluations(run), (std::vector<uint64_t>{0, 6, 9}));
  ASSERT_TRUE(summary.first_evaluation);
  EXPECT_EQ(summary.first_evaluation->step, 0U) << "the first of the run, not of the session";
}

TEST(Trainer, KnowsTheLastEvaluationOfASessionBefore) {
  TestRun run;
  run.train(steps_only(4));
  run.observer = {};
  const RunSummary summary = run.train(steps_only(4));
  EXPECT_THAT(run.observer.evaluations, testing::IsEmpty());
  ASSERT_TRUE(summary.last_evaluation);
  EXPECT_EQ(summary.last_evaluation->step, 4U);
}

TEST(Trainer, CountsRecordsThatCouldNotBeWritten) {
  TestRun run;
  std::filesystem::create_directory(run.state_folder() / "metrics.jsonl");
  const RunSummary summary = run.train(steps_only(4));
  EXPECT_EQ(summary.last_step, 4U);
  EXPECT_GE(summary.run.lost_records.in_metrics, 6U) << "four steps and two evaluations";
}

TEST(Trainer, DoesWithoutAnEvaluationSet) {
  TestRun run;
  run.evaluation = {};
  const RunSummary summary = run.train(steps_only(2));
  EXPECT_TRUE(run.observer.evaluations.empty());
  EXPECT_FALSE(summary.first_evaluation.has_value());
}

std::vector<nlohmann::json> steps_and_evaluations(std::vector<nlohmann::json> records) {
  std::erase_if(records, [](const auto& record) {
    return record.at("kind") != "step" && record.at("kind") != "evaluation";
  });
  return records;
}

TEST(Trainer, LogsWhatEachCheckpointCost) {
  TestRun run;
  TrainerOptions options = steps_only(4);
  options.checkpoint_every = 2;
  run.train(options);
  std::vector<uint64_t> steps;
  for (const auto& record : run.log()) {
    if (!record.contains("checkpoint_bytes")) continue;
    steps.push_back(record.at("step"));
    EXPECT_GT(record.at("checkpoint_bytes"), 1000);
    EXPECT_GT(record.at("checkpoint_seconds"), 0);
    EXPECT_GT(record.at("checkpoint_cpu_seconds"), 0);
    EXPECT_GE(record.at("checkpoint_pause_seconds"), 0);
  }
  EXPECT_EQ(steps, (std::vector<uint64_t>{0, 2, 4}));
}

TEST(Trainer, LogsEachStepWithEverythingAboutIt) {
  TestRun run;
  run.train(steps_only(3));
  const auto records = steps_and_evaluations(run.log());
  ASSERT_EQ(records.size(), 5U);
  EXPECT_TRUE(records[0].contains("validation_loss") && records[0].contains("bits_per_byte"));
  EXPECT_TRUE(records[4].contains("validation_loss"));
  EXPECT_GT(records[0].at("peak_flops"), 0);  // measured with the evaluation
  uint64_t tokens = 0;
  for (size_t i = 1; i <= 3; ++i) {
    const Batch batch = test::random_batch(run.model, run.source.rows, i - 1);
    tokens += batch.target_count;
    EXPECT_EQ(records[i].at("step"), i);
    EXPECT_EQ(records[i].at("tokens"), tokens);
    EXPECT_EQ(records[i].at("batch_hash"), fmt::format("{:016x}", batch.hash));
    EXPECT_EQ(records[i].at("sequence_buffer"), 5);
    EXPECT_EQ(records[i].at("batch_queue"), 2);
    for (const char* key : {"epoch", "loss", "learning_rate", "grad_norm", "step_seconds", "forward_seconds",
                            "backward_seconds", "optimizer_seconds", "loss_seconds", "data_wait_seconds",
                            "tokens_per_second", "flops_utilization", "resident_bytes"}) {
      EXPECT_TRUE(records[i].at(key).is_number()) << key;
    }
  }
}

TEST(Trainer, ThinsTheLogWhenTold) {
  TestRun run;
  run.evaluation = {};
  TrainerOptions options = steps_only(7);
  options.log_every = 3;
  run.train(options);
  const auto records = steps_and_evaluations(run.log());
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[1].at("step"), 6);
}

TEST(Trainer, AccumulatedBatchesMakeOneStep) {
  TestRun run;
  TrainerOptions options = steps_only(2);
  options.accumulate = 3;
  const RunSummary summary = run.train(options);
  uint64_t tokens = 0;
  for (uint64_t n = 0; n < 6; ++n) tokens += test::random_batch(run.model, run.source.rows, n).target_count;
  EXPECT_EQ(summary.tokens, tokens);
}

}  // namespace
}  // namespace pretrain
