// SPDX-License-Identifier: Apache-2.0
// The unit file: well-formed, tight, and loose enough for a run.

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"
#include "tests/service/unit_file.h"

namespace pretrain::test {
namespace {

constexpr const char* kAnalyze = "/usr/bin/systemd-analyze";

class Unit : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kAnalyze)) GTEST_SKIP() << "systemd-analyze is not installed";
  }
};

TEST_F(Unit, IsVerifiedWithoutAWord) {
  const TempFolder folder;
  std::string text = read_file(unit_file());
  const std::string program = "/usr/bin/pretrain";
  text.replace(text.find(program), program.size(), binary().string());
  const auto copy = folder.write("pretrain.service", text);
  const auto result = run_program(kAnalyze, {"verify", "--man=no", copy.string()});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "");
}

TEST_F(Unit, HasAnExposureOfAtMostOnePointTwo) {
  const std::string threshold = "--threshold=12";
  const auto result = run_program(kAnalyze, {"security", "--offline=true", threshold, unit_file().string()});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  const auto tighter =
      run_program(kAnalyze, {"security", "--offline=true", "--threshold=1", unit_file().string()});
  EXPECT_NE(tighter.exit_code, 0) << "the threshold is not applied";
}

TEST_F(Unit, SaysWhatTheProgramNeedsOfIt) {
  EXPECT_THAT(unit_values("Type"), testing::ElementsAre("notify"));
  EXPECT_THAT(unit_values("Restart"), testing::ElementsAre("on-failure"));
  EXPECT_THAT(unit_values("RestartPreventExitStatus"), testing::ElementsAre("2 3"));
  EXPECT_EQ(unit_values("WatchdogSec").size(), 1U);
  EXPECT_EQ(unit_values("StartLimitBurst").size(), 1U);
}

TEST_F(Unit, AFilterKeepsOutWhatItShould) {
  const auto allowed = allowed_system_calls();
  EXPECT_THAT(allowed,
              testing::IsSupersetOf({"read", "write", "fsync", "flock", "clone3", "execve", "sendto"}));
  for (const char* call : {"mount", "setuid", "ptrace", "reboot", "init_module", "keyctl"})
    EXPECT_FALSE(allowed.contains(call)) << call;
}

TEST_F(Unit, TheProgramTrainsTwoHundredStepsUnderItsFilterAndMemoryLimit) {
#ifdef PRETRAIN_SANITIZED
  GTEST_SKIP() << "sanitizers need more system calls and more memory than the program";
#endif
  const TempFolder folder;
  const auto state = folder / "state";
  const auto allowed = allowed_system_calls();
  const uint64_t memory = memory_limit_bytes();
  const Surroundings confined{.environment = {{"STATE_DIRECTORY", state.string()}},
                              .before_exec = [&] { return confine(allowed, memory); }};
  const auto run = run_program(binary(),
                               {"train", "--corpus", sample_corpus(), "--model", "tiny", "--steps", "200",
                                "--workers", "2", "--threads", "2", "--checkpoint-every", "50"},
                               confined);
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_EQ(run.output.find("Operation not permitted"), std::string::npos) << run.output;
  EXPECT_EQ(last_step(state), 200U);
  const auto resumed = run_program(binary(), {"resume", "--steps", "210"}, confined);
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
}

TEST_F(Unit, TheConfinementOfTheTestBites) {
#ifdef PRETRAIN_SANITIZED
  GTEST_SKIP() << "see above";
#endif
  auto allowed = allowed_system_calls();
  allowed.erase("flock");
  const TempFolder folder;
  const Surroundings confined{.before_exec = [&] { return confine(allowed, memory_limit_bytes()); }};
  const auto run = run_program(binary(), tiny_run(folder / "state"), confined);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.output.find("Operation not permitted"), std::string::npos) << run.output;
}

}  // namespace
}  // namespace pretrain::test
