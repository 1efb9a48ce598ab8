// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/status_text.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/pretrain/run_monitor.h"
#include "apps/pretrain/run_status.h"

namespace pretrain {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

nlohmann::json training_status() {
  RunMonitor monitor({.model = "base", .parameters = 27'000'000, .threads = 4});
  RunSnapshot run{
      .limits = {.max_steps = 100'000},
      .step = 41'200,
      .tokens = 168'755'200,
      .epoch = 1,
      .epoch_progress = 0.31,
      .loss = 3.412,
      .validation = StepEvaluation{.step = 41'000, .result = {.loss = 3.52, .bits_per_byte = 1.19}},
      .tokens_per_second = 4660,
      .utilization = 0.8,
      .time_left = std::chrono::hours(14),
      .since_save = std::chrono::minutes(3),
      .saved_step = 41'000};
  run.best = BestEvaluation{.step = 40'000, .loss = 3.501, .since = 2};
  monitor.on_phase(RunPhase::kTraining);
  monitor.on_step({.step = 41'200}, run);
  return monitor.status();
}

TEST(StatusText, SaysWhatTheUserWantsToKnowAndFits) {
  for (const size_t columns : {40U, 60U, 80U, 120U}) {
    const std::string text = status_text("/runs/wiki", training_status(), columns);
    for (const char* part : {"wiki: training", "step 41,200 of 100,000", "epoch 2 (31 % done)", "loss 3.412",
                             "best 3.501 at step 40,000, 2 evaluations ago", "4,660 tokens/s", "80 % of peak",
                             "4 of 4 threads", "saved at step 41,000, 3 min 00 s ago", "left (until "}) {
      EXPECT_THAT(text, HasSubstr(part));
    }
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(line.size(), std::max<size_t>(columns, 60)) << line;
  }
}

TEST(StatusText, ShowsNoLimitThatTheRunIsPast) {
  nlohmann::json status = training_status();
  status["max_steps"] = 10;
  EXPECT_THAT(status_text("/runs/wiki", status, 80),
              AllOf(HasSubstr("step 41,200,"), Not(HasSubstr(" of 10"))));
}

TEST(StatusText, NamesTheMachinesWithTheirSlots) {
  nlohmann::json status = training_status();
  EXPECT_THAT(status_text("/runs/wiki", status, 80), Not(HasSubstr("machine")));
  status["machines"] = 2;
  status["machine_shares"] = {{{"machine", "tower"}, {"slots", 3}},
                              {{"machine", "desk (192.168.1.11)"}, {"slots", 1}}};
  status["joined_machines"] = 1;
  const std::string text = status_text("/runs/wiki", status, 80);
  EXPECT_THAT(text, HasSubstr("2 machines"));
  EXPECT_THAT(text, HasSubstr("tower 3 slots, desk (192.168.1.11) 1 slot"));
}

TEST(StatusText, NamesTheCommandsThatLetASuspendedRunContinue) {
  nlohmann::json status = training_status();
  status["phase"] = "suspended";
  status["process"] = 71;
  const auto text_with = [&](const std::optional<FrozenGroup>& group) {
    const Suspension found = suspension(71, group);
    status["suspension"] = {{"cause", found.cause}, {"ways", found.ways}};
    return status_text("/runs/wiki", status, 200);
  };
  EXPECT_THAT(text_with({}), HasSubstr("wiki: suspended (Ctrl-Z or SIGSTOP)"));
  EXPECT_THAT(text_with({}), HasSubstr("to let process 71 continue: fg in its terminal, or kill -CONT 71"));
  const auto frozen = [](const std::string& folder) {
    return FrozenGroup{.switch_file = folder + "/cgroup.freeze", .thawed = "0"};
  };
  EXPECT_THAT(text_with(frozen("/cg/system.slice/pretrain@wiki.service")),
              AllOf(HasSubstr("suspended (its control group is frozen)"),
                    HasSubstr("continue: systemctl thaw pretrain@wiki.service, or echo 0 > "
                              "/cg/system.slice/pretrain@wiki.service/cgroup.freeze")));
  EXPECT_THAT(text_with(frozen("/cg/user.slice/user-1.slice/user@1.service/app.slice/a.scope")),
              HasSubstr("systemctl --user thaw a.scope, or "));
  EXPECT_THAT(text_with(frozen("/cg/jobs/my job")),
              HasSubstr("continue: echo 0 > '/cg/jobs/my job/cgroup.freeze'"));
  EXPECT_THAT(text_with(FrozenGroup{}), HasSubstr("docker unpause"));
}

TEST(StatusText, TellsPausesAndTroubles) {
  nlohmann::json status = training_status();
  status["phase"] = "paused";
  status["pause"] = {{"why", "battery"}, {"seconds_left", 3600}};
  status["failed_save"] = "No space left on device";
  status["bad_steps"] = 3;
  const std::string text = status_text("/runs/wiki", status, 80);
  EXPECT_THAT(text, HasSubstr("paused on battery for another 1 h"));
  EXPECT_THAT(text, HasSubstr("the last save FAILED: No space left on device"));
  EXPECT_THAT(text, HasSubstr("3 steps not finite"));
  EXPECT_THAT(text, Not(HasSubstr("until")));
}

TEST(StatusText, OfARunThatIsNotRunningComesFromItsRecord) {
  RunRecord record;
  record.curve.add(*point_of({{"kind", "step"}, {"step", 7U}, {"tokens", 70U}, {"loss", 2.5}}));
  record.sessions.push_back(
      {.kind = "session", .line = R"({"kind":"session","time":1,"model":"tiny","parameters":5})"});
  EXPECT_THAT(status_text("/r/a", status_of_record(record), 80),
              HasSubstr("a: not running; its last session was killed"));
  record.sessions.push_back(
      {.kind = "end",
       .line = R"({"kind":"end","time":2,"reason":"failed","error":"no memory","saved_step":5})"});
  const std::string failed = status_text("/r/a", status_of_record(record), 80);
  EXPECT_THAT(failed, HasSubstr("a: failed: no memory"));
  EXPECT_THAT(failed, HasSubstr("step 7, 70 tokens"));
  EXPECT_THAT(failed, HasSubstr("loss 2.500"));
  record.sessions.back().line = R"({"kind":"end","time":2,"reason":"limit","step":9,"saved_step":9})";
  EXPECT_THAT(status_text("/r/a", status_of_record(record), 80), HasSubstr("step 9"))
      << "the records of two steps were lost";
  EXPECT_THAT(status_text("/r/a", status_of_record(record), 80), HasSubstr("a: stopped at a limit"));
}

}  // namespace
}  // namespace pretrain
