// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Without a measurement, so that the answer is the same on a busy machine.
ProgramResult run_plan(const Words& more) {
  Words words{"plan", "--corpus", sample_corpus(), "--threads", "1", "--precision", "f32"};
  words.insert(words.end(), more.begin(), more.end());
  return run_program(binary(), words);
}

nlohmann::json plan_of(const Words& more) {
  Words words{"--speed", "30", "--json"};
  words.insert(words.end(), more.begin(), more.end());
  const auto run = run_plan(words);
  EXPECT_EQ(run.exit_code, 0) << run.output;
  return nlohmann::json::parse(run.output.substr(run.output.find("{\n")));
}

TEST(Plan, EveryCommandThatItShowsIsAccepted) {
  const nlohmann::json plan = plan_of({"--time", "20min"});
  ASSERT_GE(plan["runs"].size(), 3U);
  for (const auto& row : plan["runs"]) {
    const TempFolder folder;
    auto words = row["command"].get<Words>();
    ASSERT_EQ(words.front(), "pretrain");
    words.erase(words.begin());
    words.insert(words.end(), {"--state", (folder.path() / "run").string(), "--check"});
    const auto run = run_program(binary(), words);
    EXPECT_EQ(run.exit_code, 0) << run.output;
    EXPECT_THAT(run.output, HasSubstr("check passed"));
  }
}

TEST(Plan, ShowsATableAndCommands) {
  const auto run = run_plan({"--speed", "30", "--time", "20min"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, AllOf(HasSubstr("bits per byte"), HasSubstr("--budget 20min"),
                                HasSubstr("--schedule wsd"), HasSubstr("+-")));
}

/// The command between this line of the plan and the next empty one, without "pretrain".
Words command_after(const std::string& output, const std::string& line) {
  const size_t start = output.find("pretrain ", output.find(line)) + std::string("pretrain ").size();
  std::istringstream words(output.substr(start, output.find("\n\n", start) - start));
  Words command;
  for (std::string word; words >> word;) {
    if (word != "\\") command.push_back(word);
  }
  return command;
}

TEST(Plan, TheCommandOfABudgetKeepsWhatThePlanWasMadeFor) {
  const auto run = run_plan({"--speed", "30", "--time", "20min"});
  EXPECT_EQ(
      command_after(run.output, "To start the first"),
      (Words{"--corpus", sample_corpus(), "--threads", "1", "--precision", "f32", "--budget", "20min"}));
}

TEST(Plan, ForSeveralMachinesShowsCommandsThatAreAccepted) {
  const auto run = run_plan({"--speed", "30", "--time", "20min", "--machines", "3", "--network", "10G"});
  ASSERT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("3 machines like this one, 10Gbit/s between them"));
  const TempFolder folder;
  const std::string secret = (folder.path() / "secret").string();
  ASSERT_EQ(run_program(binary(), {"join", "--new-secret", secret}).exit_code, 0);
  for (const char* line : {"To start the first", "To start one of them"}) {
    Words command = command_after(run.output, line);
    std::ranges::replace(command, "ADDRESS", "127.0.0.1");
    std::ranges::replace(command, "FILE", secret);
    command.insert(command.end(), {"--state", (folder.path() / "run").string(), "--check"});
    const auto check = run_program(binary(), command);
    EXPECT_EQ(check.exit_code, 0) << check.output;
    EXPECT_THAT(check.output, HasSubstr("check passed"));
  }
}

TEST(Plan, SaysThatASlowNetworkIsWorseThanOneMachine) {
  const auto run = run_plan({"--speed", "3000", "--time", "20min", "--machines", "2", "--network", "1M"});
  EXPECT_THAT(run.output, HasSubstr("one alone is better"));
}

TEST(Plan, MeasuresTheMachine) {
  const auto run = run_plan({"--time", "30d", "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.output;
  const auto plan = nlohmann::json::parse(run.output.substr(run.output.find("{\n")));
  ASSERT_GE(plan["speed"].size(), 1U);
  EXPECT_GT(plan["speed"][0]["flops_per_second"].get<double>(), 1e6);
  EXPECT_LE(plan["runs"][0]["epochs"].get<double>(), 4.01) << "the sample corpus is used up";
}

TEST(Plan, WarnsOfANetworkWithoutMachines) {
  const auto run = run_plan({"--speed", "30", "--time", "20min", "--network", "10G"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("--network has no effect without --machines"));
}

TEST(Plan, RefusesWhatCanNotBe) {
  const auto refused = [](const Words& more, const std::string& text) {
    const auto run = run_plan(more);
    EXPECT_EQ(run.exit_code, 2) << run.output;
    EXPECT_THAT(run.output, HasSubstr(text));
  };
  refused({"--speed", "30", "--time", "10ms"}, "no run can be planned");
  refused({"--speed", "30", "--time", "3660d"}, "--time must be a time between 1ms and 366 days");
  refused({"--speed", "30"}, "--time is missing");
  refused({"--speed", "30", "--time", "0s"}, "--time must be a time between 1ms and 366 days (got 0s)");
  refused({"--speed", "30", "--time", "1h", "--machines", "0"}, "--machines");
  refused({"--speed", "30", "--time", "1h", "--network", "fast"}, "--network must be a rate");
  refused({"--speed", "30", "--time", "1h", "--memory", "1M"}, "of memory");
}

TEST(Budget, RefusesWhatItDecidesByName) {
  for (const char* option : {"--layers", "--steps", "--batch", "--epochs", "--vocab"}) {
    const TempFolder folder;
    const auto run = run_program(binary(), {"train", "--corpus", sample_corpus(), "--budget", "1min", option,
                                            "512", "--state", (folder.path() / "run").string()});
    EXPECT_EQ(run.exit_code, 2) << run.output;
    EXPECT_THAT(run.output, AllOf(HasSubstr(option), HasSubstr("contradicts --budget")));
  }
}

/// On a machine that is busy a run of seconds has a few steps.
constexpr size_t kStepsThatShowACooldown = 20;

TEST(Budget, ARunEndsByItselfWithItsScheduleAtItsEnd) {
  const TempFolder folder;
  const Path state = folder.path() / "run";
  const auto run = run_program(
      binary(), {"train", "--corpus", sample_corpus(), "--budget", "15s", "--state", state.string(),
                 "--threads", "1", "--workers", "1", "--validation-tokens", "2048", "--sample-tokens", "0"});
  if (run.exit_code == 2 && run.output.find("no run can be planned") != std::string::npos)
    GTEST_SKIP() << "this machine is too busy for a run of 15 s";
  ASSERT_EQ(run.exit_code, 0) << run.output;
  const uint64_t last = last_step(state);
  const auto manifest =
      verify_checkpoint(checkpoints_folder(state) / checkpoint_name(last)).manifest.configuration;
  EXPECT_EQ(manifest.at("steps"), std::to_string(last));
  EXPECT_EQ(manifest.at("schedule-steps"), std::to_string(last));
  EXPECT_EQ(manifest.at("budget"), "15s");
  std::ifstream record(state / "metrics.jsonl");
  for (std::string line; std::getline(record, line);) {
    const auto entry = nlohmann::json::parse(line);
    if (entry.at("kind") != "session") continue;
    EXPECT_GT(entry.at("plan").at("spent_seconds"), 0) << "the time before the run counts";
  }
  const auto plan = nlohmann::json::parse(manifest.at("budget-plan").get<std::string>());
  EXPECT_EQ(plan.at("is_fixed"), true);
  EXPECT_GT(plan.at("bits_per_byte").get<double>(), 0.5);
  const auto all = steps(state);
  const double highest = std::ranges::max(
      all, {}, [](const auto& r) { return r["learning_rate"].template get<double>(); })["learning_rate"];
  if (all.size() >= kStepsThatShowACooldown) {
    EXPECT_LT(all.back()["learning_rate"].get<double>(), highest / 2);
  }
  EXPECT_THAT(run.output, AllOf(HasSubstr("bits per byte predicted"), HasSubstr("the run ends at step")));
  const auto status = run_program(binary(), {"status", "--state", state.string()});
  EXPECT_THAT(status.output, HasSubstr("budget 15 s"));
  // The same command continues the run, and another budget is refused.
  const auto again = run_program(binary(), {"train", "--corpus", sample_corpus(), "--budget", "15s",
                                            "--state", state.string(), "--threads", "1", "--workers", "1"});
  EXPECT_EQ(again.exit_code, 0) << again.output;
  // So does its run.ini, which also starts another run with all that the plan decided.
  const Words ini{"train", "--config", (state / "run.ini").string()};
  const auto same = run_program(binary(), ini);
  EXPECT_EQ(same.exit_code, 0) << same.output;
  EXPECT_THAT(same.output, HasSubstr("nothing to do"));
  Words check = ini + Words{"--state", (folder.path() / "new").string()};
  check.push_back("--check");
  const auto another = run_program(binary(), check);
  EXPECT_EQ(another.exit_code, 0) << another.output;
  const auto other = run_program(binary(), {"resume", "--budget", "1h", "--state", state.string()});
  EXPECT_EQ(other.exit_code, 2) << other.output;
  EXPECT_THAT(other.output, HasSubstr("--budget"));
  // More steps are not what the plan predicted.
  const auto more =
      run_program(binary(), {"resume", "--state", state.string(), "--steps", std::to_string(last + 2)});
  EXPECT_EQ(more.exit_code, 0) << more.output;
  EXPECT_THAT(more.output, Not(HasSubstr("were predicted")));
  EXPECT_THAT(run_program(binary(), {"status", "--state", state.string()}).output,
              Not(HasSubstr("predicted")));
}

}  // namespace
}  // namespace pretrain::test
