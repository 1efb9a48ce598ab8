// SPDX-License-Identifier: Apache-2.0
// The commands that ask and steer a running session, as a user types them.

#include <csignal>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libs/base/own_process.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::chrono::seconds kPatience{300};

class Control : public testing::Test {
 protected:
  std::filesystem::path state() const { return folder_ / "run"; }

  ProgramResult command(const std::string& name, const Words& more = {}) const {
    Words words{name, "--state", state().string()};
    words.insert(words.end(), more.begin(), more.end());
    return run_program(binary(), words);
  }

  nlohmann::json status() const {
    const ProgramResult shown = command("status", {"--json"});
    EXPECT_EQ(shown.exit_code, 0) << shown.output;
    return nlohmann::json::parse(shown.output, nullptr, false);
  }

  std::vector<std::string> kinds() const {
    std::vector<std::string> kinds;
    for (const auto& record : records(state())) kinds.push_back(record.at("kind"));
    return kinds;
  }

  TempFolder folder_;
};

TEST_F(Control, ARunIsPausedChangedSavedAndStopped) {
  Program run(binary(), tiny_run(state()) + Words{"--threads", "2", "--sample-prompt", "The"});
  ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
  EXPECT_THAT(status().at("phase").get<std::string>(), testing::AnyOf("training", "evaluating"));

  const ProgramResult paused = command("pause", {"--for", "1h"});
  EXPECT_EQ(paused.exit_code, 0) << paused.output;
  const nlohmann::json standing = status();
  EXPECT_EQ(standing.at("phase"), "paused");
  EXPECT_EQ(standing.at("saved_step"), standing.at("step"));
  EXPECT_THAT(paused.output, HasSubstr("paused after step "));
  EXPECT_THAT(command("status").output, HasSubstr("run: paused for another "));

  EXPECT_EQ(command("set", {"threads=1", "checkpoint-interval=1h"}).exit_code, 0);
  EXPECT_THAT(command("set", {"threads=3"}).output,
              HasSubstr("threads must be an integer between 1 and 2 (got 3)"));
  EXPECT_THAT(command("continue").output, HasSubstr("the run continues"));
  EXPECT_THAT(command("continue").output, HasSubstr("was not paused"));
  const uint64_t before = standing.at("step");
  ASSERT_TRUE(run.wait_until([&] { return last_step(state()) > before; }, kPatience)) << run.output();

  const ProgramResult saved = command("save", {"--wait"});
  EXPECT_EQ(saved.exit_code, 0) << saved.output;
  EXPECT_THAT(saved.output, testing::StartsWith("saved at step "));

  const ProgramResult stopped = command("stop", {"--wait"});
  EXPECT_EQ(stopped.exit_code, 0) << stopped.output;
  const ProgramResult ended = run.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("stopping: "));
  EXPECT_THAT(ended.output, HasSubstr("to continue: pretrain continue --state " + state().string()));
  EXPECT_THAT(kinds(),
              testing::IsSupersetOf({"session", "paused", "continued", "settings", "checkpoint", "end"}));
  EXPECT_FALSE(std::filesystem::exists(state() / "control.sock"));

  const nlohmann::json after = status();
  EXPECT_EQ(after.at("phase"), "stopped");
  EXPECT_EQ(after.at("why"), "stopped");
  EXPECT_EQ(after.at("saved_step"), after.at("step"));
}

TEST_F(Control, AStopEndsAPauseAndLosesNothing) {
  Program run(binary(), tiny_run(state()));
  ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
  EXPECT_EQ(command("pause").exit_code, 0);
  EXPECT_EQ(command("stop").exit_code, 0);
  command("stop");  // a second one never means to exit without saving
  const ProgramResult ended = run.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  EXPECT_EQ(status().at("saved_step"), last_step(state()));
}

TEST_F(Control, AfterAStopThatWasWaitedForTheFolderIsFree) {
  // The command of the end takes longer than the time between two programs.
  Program run(binary(), tiny_run(state()) + Words{"--on-event", "test $PRETRAIN_EVENT = ended && sleep 1"});
  ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
  const ProgramResult stopped = command("stop", {"--wait"});
  EXPECT_EQ(stopped.exit_code, 0) << stopped.output;
  const ProgramResult resumed = command("resume", {"--steps", "1"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_EQ(run.wait().exit_code, 0);
}

TEST_F(Control, WrongValuesAreNamedAndChangeNothing) {
  Program run(binary(), tiny_run(state()) + Words{"--threads", "2"});
  ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
  const auto refusal = [&](const std::string& name, const std::string& word) {
    const ProgramResult refused = command(name, {word});
    EXPECT_EQ(refused.exit_code, 2) << word;
    return refused.output;
  };
  EXPECT_THAT(refusal("set", "threads=0"), HasSubstr("threads must be an integer"));
  EXPECT_THAT(refusal("set", "threads=3"), HasSubstr("threads must be an integer between 1 and 2 (got 3)"));
  EXPECT_THAT(refusal("set", "threads"), HasSubstr("a setting must be threads=N"));
  EXPECT_THAT(refusal("set", "checkpoint-interval=1y"), HasSubstr("checkpoint-interval must be a duration"));
  EXPECT_THAT(refusal("set", "checkpoint-interval=500d"),
              HasSubstr("checkpoint-interval must be at most 366d"));
  EXPECT_THAT(refusal("pause", "--for=0s"), HasSubstr("--for must be at least 1s"));
  EXPECT_NE(status().at("phase"), "paused");
  const ProgramResult paused = command("pause", {"--for", "1h"});
  EXPECT_THAT(paused.output,
              HasSubstr(" for 1h; to continue earlier: pretrain continue --state " + state().string()));
  EXPECT_EQ(command("stop", {"--wait"}).exit_code, 0);
  EXPECT_EQ(run.wait().exit_code, 0);
}

TEST_F(Control, APauseThatCouldNotSaveSaysSo) {
  Program run(binary(), tiny_run(state()));
  ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
  const auto checkpoints = checkpoints_folder(state()), aside = folder_ / "aside";
  std::filesystem::rename(checkpoints, aside);
  folder_.write("run/checkpoints", "no folder");
  const ProgramResult paused = command("pause");
  EXPECT_EQ(paused.exit_code, 1) << paused.output;
  EXPECT_THAT(paused.output, HasSubstr("the paused run is not saved: cannot "));
  EXPECT_THAT(paused.output, HasSubstr("to try again: pretrain save --wait --state " + state().string()));
  std::filesystem::remove(checkpoints);
  std::filesystem::rename(aside, checkpoints);
  const ProgramResult saved = command("save", {"--wait"});
  EXPECT_EQ(saved.exit_code, 0) << saved.output;
  EXPECT_EQ(command("stop", {"--wait"}).exit_code, 0);
  EXPECT_EQ(run.wait().exit_code, 0);
}

TEST_F(Control, AKilledRunIsShownAsKilled) {
  Program run(binary(), tiny_run(state()));
  ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
  run.signal(SIGKILL);
  run.wait();
  EXPECT_EQ(status().at("phase"), "killed");
  // The socket of the dead process is in nobody's way.
  const ProgramResult resumed =
      run_program(binary(), {"resume", "--state", state().string(), "--steps", "1"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_EQ(status().at("phase"), "stopped");
}

TEST_F(Control, ASuspendedRunIsNamedAtOnceWithTheWayToContinueIt) {
  Program run(binary(), tiny_run(state()));
  ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
  run.signal(SIGSTOP);
  ASSERT_TRUE(run.wait_until([&] { return process_is_suspended(run.pid()); }, kPatience));
  const std::string way = fmt::format("to let it continue: fg in its terminal, or kill -CONT {}", run.pid());
  // More often than requests fit into the queue of the socket.
  for (int i = 0; i < 30; ++i) {
    const ProgramResult shown = command("status");
    ASSERT_EQ(shown.exit_code, 0) << shown.output;
    ASSERT_THAT(shown.output,
                testing::AllOf(HasSubstr("run: suspended (Ctrl-Z or SIGSTOP)"),
                               HasSubstr(fmt::format("kill -CONT {}", run.pid())), HasSubstr("step ")));
  }
  EXPECT_EQ(status().at("phase"), "suspended");
  EXPECT_EQ(status().at("process"), run.pid());
  const auto refused = [&](const std::string& name, const Words& more = {}) {
    const auto began = std::chrono::steady_clock::now();
    const ProgramResult result = command(name, more);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60)) << name;
    EXPECT_EQ(result.exit_code, 1) << name;
    EXPECT_THAT(result.output, HasSubstr(way)) << name;
  };
  for (int i = 0; i < 5; ++i) {
    for (const char* name : {"pause", "continue", "save"}) refused(name);
    refused("save", {"--wait"});
    refused("stop");
    refused("stop", {"--wait"});
    refused("set", {"threads=1"});
  }
  refused("resume", {"--steps", "1"});
  const uint64_t before = last_step(state());
  run.signal(SIGCONT);
  ASSERT_TRUE(run.wait_until([&] { return last_step(state()) > before + 1; }, kPatience))
      << "a refused command is not carried out later: " << run.output();
  EXPECT_THAT(status().at("phase").get<std::string>(), testing::AnyOf("training", "evaluating"));
  EXPECT_EQ(command("stop", {"--wait"}).exit_code, 0);
  EXPECT_EQ(run.wait().exit_code, 0);
}

TEST_F(Control, AStopThatIsWaitedForHearsThatTheRunWasSuspended) {
  Program run(binary(),
              tiny_run(state()) + Words{"--on-event", "test $PRETRAIN_EVENT = ended && kill -STOP $PPID"});
  ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
  const ProgramResult stopped = command("stop", {"--wait"});
  EXPECT_EQ(stopped.exit_code, 1);
  EXPECT_THAT(stopped.output, HasSubstr(fmt::format("to let it continue and do this: fg in its terminal, or "
                                                    "kill -CONT {}",
                                                    run.pid())));
  run.signal(SIGCONT);
  EXPECT_EQ(run.wait().exit_code, 0);
}

TEST_F(Control, AStopThatCouldNotBeRecordedIsNotTakenForASave) {
  Program run(binary(), tiny_run(state()));
  ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
  const uint64_t saved = list_checkpoints(state()).front().step;
  const rlimit none{.rlim_cur = 1, .rlim_max = 1};  // as on a full disk
  ASSERT_EQ(prlimit(run.pid(), RLIMIT_FSIZE, &none, nullptr), 0);
  const ProgramResult stopped = command("stop", {"--wait"});
  EXPECT_EQ(stopped.exit_code, 1);
  EXPECT_THAT(
      stopped.output,
      HasSubstr(fmt::format(
          "it was killed, its disk is full, or its folder was moved; its newest checkpoint is of step {}",
          saved)));
  EXPECT_EQ(run.wait().exit_code, 1);
}

TEST_F(Control, WithoutARunTheCommandsSayWhatToDo) {
  const auto expect = [&](const Words& names, const std::string& message) {
    for (const std::string& name : names) {
      const ProgramResult refused = command(name);
      EXPECT_EQ(refused.exit_code, 3) << name;
      EXPECT_THAT(refused.output, HasSubstr(message)) << name;
    }
  };
  expect({"status", "pause", "continue", "save", "stop"}, "no run there; give its folder with --state");
  folder_.write("run/lock", "");  // as a start leaves it
  expect({"status", "pause"}, "no run yet; if one is starting, try again");
  const ProgramResult report =
      run_program(binary(), {"report", state().string(), "--output", (folder_ / "x.html").string()});
  EXPECT_EQ(report.exit_code, 3);
  EXPECT_THAT(report.output, HasSubstr("holds no run yet; if one is starting, try again"));
  const std::string run = state().string(), other = (folder_ / "other").string();
  for (const Words& words : {Words{"inspect", run}, Words{"generate", "--checkpoint", run},
                             Words{"eval", "--checkpoint", run, "--corpus", sample_corpus()},
                             Words{"branch", "--checkpoint", run, "--state", other}}) {
    const ProgramResult refused = run_program(binary(), words);
    EXPECT_EQ(refused.exit_code, 3) << words.front();
    EXPECT_THAT(refused.output, HasSubstr("holds no run yet; if one is starting, try again"))
        << words.front();
  }
  ASSERT_EQ(run_program(binary(), tiny_run(state()) + Words{"--steps", "1"}).exit_code, 0);
  expect({"pause", "continue", "save", "stop"},
         "to continue it: pretrain resume --state " + state().string());
  EXPECT_EQ(command("set", {"speed=9"}).exit_code, 2);
  EXPECT_THAT(command("set").output, HasSubstr("a setting is missing, such as threads=1"));
}

TEST_F(Control, TheCommandOfOnEventHearsOfTheEndAndOfTheFailure) {
  const std::string out = (folder_ / "events").string();
  const Words words = tiny_run(state()) + Words{"--steps", "3", "--on-event",
                                                "echo \"$PRETRAIN_EVENT at $PRETRAIN_STEP\" >> " + out};
  EXPECT_EQ(run_program(binary(), words).exit_code, 0);
  EXPECT_THAT(read_file(out), HasSubstr("ended at 3\n"));
}

TEST_F(Control, TheCommandOfOnEventHearsOfAStartThatFails) {
  const std::string out = (folder_ / "events").string();
  const std::string hook =
      "echo \"$PRETRAIN_EVENT at $PRETRAIN_STEP of $PRETRAIN_STATE: $PRETRAIN_MESSAGE\" >> " + out;
  const auto told = [&](const Words& words, int code) {
    std::filesystem::remove(out);
    const ProgramResult result = run_program(binary(), words);
    EXPECT_EQ(result.exit_code, code) << result.output;
    return file_exists(out) ? read_file(out) : "";
  };
  const Words run = tiny_run(state()) + Words{"--on-event", hook};
  const std::string failed = "failed at 0 of " + state().string() + ": ";
  EXPECT_THAT(told(run + Words{"--corpus", "/none"}, 3), StartsWith(failed + "corpus /none does not exist"));
  EXPECT_THAT(told(run + Words{"--steps", "many"}, 2), StartsWith(failed + "--steps "));
  EXPECT_THAT(told(run + Words{"--slots", "1000"}, 2), StartsWith(failed + "--slots 1000 is more than"));
  EXPECT_THAT(told(run + Words{"--metrics-file", "/none/x.prom"}, 2), StartsWith(failed + "--metrics-file"));
  Words check = run + Words{"--corpus", "/none"};
  check.push_back("--check");
  EXPECT_EQ(told(check, 3), "") << "nothing was to start";
  const std::string ended = told(run + Words{"--steps", "3"}, 0);
  EXPECT_THAT(ended, HasSubstr("ended at 3 of " + state().string() + ": limit reached"));
  EXPECT_EQ(ended.find("failed"), std::string::npos) << ended;
  // The command of a resume is that of the run.
  EXPECT_THAT(
      told({"resume", "--state", state().string(), "--steps", "9", "--metrics-file", "/none/x.prom"}, 2),
      StartsWith("failed at 3 of " + state().string() + ": --metrics-file"));
  EXPECT_THAT(told({"resume", "--state", state().string(), "--on-event", hook, "--from", "x"}, 2),
              StartsWith(failed + "--from must be"));
}

TEST_F(Control, TheRecordedCommandHearsOfAResumeThatReadsNoCheckpoint) {
  const std::string out = (folder_ / "events").string();
  const Words words =
      tiny_run(state()) + Words{"--on-event", "echo \"$PRETRAIN_EVENT: $PRETRAIN_MESSAGE\" >> " + out};
  const Words resume{"resume", "--state", state().string()};
  {
    Program run(binary(), words);
    ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
    EXPECT_EQ(run_program(binary(), resume).exit_code, 1) << "it is in use";
    run.signal(SIGTERM);
    EXPECT_EQ(run.wait().exit_code, 0);
  }
  EXPECT_THAT(read_file(out), Not(HasSubstr("failed"))) << "the run was well";
  for (const CheckpointEntry& entry : list_checkpoints(state()))
    std::filesystem::resize_file(entry.folder / "model.safetensors", 10);
  EXPECT_EQ(run_program(binary(), resume).exit_code, 3);
  EXPECT_THAT(read_file(out), HasSubstr("failed: " + checkpoints_folder(state()).string()));
  Words check = resume;
  check.emplace_back("--check");
  std::filesystem::remove(out);
  EXPECT_EQ(run_program(binary(), check).exit_code, 3);
  EXPECT_FALSE(file_exists(out)) << "nothing was to start";
}

TEST_F(Control, AStopThatCouldNotSaveSaysWhy) {
  const std::string out = (folder_ / "events").string();
  Program run(binary(),
              tiny_run(state()) + Words{"--on-event", "echo $PRETRAIN_EVENT $PRETRAIN_STEP >> " + out});
  ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
  std::filesystem::rename(checkpoints_folder(state()), folder_ / "aside");
  folder_.write("run/checkpoints", "no folder");
  const ProgramResult stopped = command("stop", {"--wait"});
  EXPECT_EQ(stopped.exit_code, 1) << stopped.output;
  EXPECT_THAT(stopped.output,
              testing::ContainsRegex("the final checkpoint of step [0-9,]+ failed: cannot .*; the "
                                     "last good one is step "));
  EXPECT_EQ(run.wait().exit_code, 1);
  EXPECT_THAT(read_file(out), HasSubstr(fmt::format("failed {}\n", last_step(state()))));
  EXPECT_EQ(read_file(out).find("\nfailed"), read_file(out).rfind("\nfailed")) << "told once\n"
                                                                               << read_file(out);
}

TEST_F(Control, AUserWhoMayOnlyReadTheFolderSeesTheRecord) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  Program run(binary(), tiny_run(state()));
  ASSERT_TRUE(run.wait_until([&] { return is_under_way(state()); }, kPatience)) << run.output();
  for (const Path& folder : {folder_.path(), state()}) ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
  constexpr unsigned kNobody = 65534;
  const Surroundings nobody{.environment = {},
                            .before_exec = [] { return ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0; }};
  const ProgramResult shown =
      run_program(binary(), {"status", "--json", "--state", state().string()}, nobody);
  ASSERT_EQ(shown.exit_code, 0) << shown.output;
  const auto status = nlohmann::json::parse(shown.output);
  EXPECT_THAT(status.at("phase").get<std::string>(), testing::AnyOf("training", "evaluating"));
  EXPECT_GE(status.at("step"), 3);
  const ProgramResult refused = run_program(binary(), {"stop", "--state", state().string()}, nobody);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.output, HasSubstr("only the user who runs the training, and root, may ask it"));
  EXPECT_EQ(command("stop", {"--wait"}).exit_code, 0);
  EXPECT_EQ(run.wait().exit_code, 0);
}

TEST_F(Control, SamplesContinueEachPrompt) {
  const Words words = tiny_run(state()) + Words{"--steps", "2", "--sample-tokens", "4"};
  Words all = words;
  all.insert(all.end(),
             {"--sample-prompt", "The king", "--sample-prompt", ""});  // "" is the start of a document
  EXPECT_EQ(run_program(binary(), all).exit_code, 0);
  std::vector<std::string> prompts;
  for (const auto& record : records(state())) {
    if (record.at("kind") == "sample") prompts.push_back(record.at("prompt"));
  }
  EXPECT_THAT(prompts, testing::ElementsAre("The king", ""));
}

}  // namespace
}  // namespace pretrain::test
