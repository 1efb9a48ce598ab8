// SPDX-License-Identifier: Apache-2.0
#include "libs/base/command_process.h"

#include <chrono>
#include <csignal>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "libs/base/file.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;

TEST(CommandProcess, SeesItsEnvironmentAndItsInput) {
  const TempFolder folder;
  const std::string out = (folder / "out").string();
  EXPECT_EQ(run_user_command({.command = fmt::format("read LINE; echo \"$EVENT: $LINE\" > {}", out),
                              .environment = {{"EVENT", "paused $(no) 'shell'"}},
                              .input = "the text\n"}),
            "");
  EXPECT_EQ(read_file(out), "paused $(no) 'shell': the text\n");
}

TEST(CommandProcess, TellsHowACommandFailed) {
  EXPECT_EQ(run_user_command({.command = "exit 7"}), "ended with exit code 7");
  EXPECT_EQ(run_user_command({.command = "kill -9 $$"}), "ended by signal 9");
}

TEST(CommandProcess, KillsACommandThatDoesNotEndWithItsChildren) {
  const TempFolder folder;
  const std::string pid = (folder / "pid").string();
  const std::string result = run_user_command({.command = fmt::format("sleep 1000 & echo $! > {}; wait", pid),
                                               .most = std::chrono::milliseconds(300)});
  EXPECT_NE(result.find("did not end within"), std::string::npos) << result;
  if (!file_exists(pid)) return;  // it was killed before it got that far
  const int child = std::stoi(read_file(pid));
  // The child dies; somebody may still have to collect it.
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  std::optional<std::string> state;
  do {
    std::this_thread::yield();
    state = read_file_if_exists(fmt::format("/proc/{}/status", child));
  } while (state && state->find("State:\tZ") == std::string::npos && std::chrono::steady_clock::now() < end);
  EXPECT_TRUE(!state || state->find("State:\tZ") != std::string::npos) << *state;
}

TEST(CommandProcess, DoesNotInheritBlockedSignals) {
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, &before);
  EXPECT_EQ(run_user_command({.command = "kill -TERM $$; exit 0"}), "ended by signal 15");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(CommandProcess, DoesNotInheritIgnoredSignals) {
  auto* const before = std::signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(run_user_command({.command = "kill -PIPE $$; exit 0"}), "ended by signal 13");
  std::signal(SIGPIPE, before);
}

}  // namespace
}  // namespace pretrain
