// SPDX-License-Identifier: Apache-2.0
#include "libs/base/own_process.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pretrain {
namespace {

TEST(ProcessIdentity, IsTheSameForOneProcessAndDiffersFromOthers) {
  const auto self = process_identity(getpid());
  if (!self) GTEST_SKIP() << "/proc is hidden";
  EXPECT_EQ(self, process_identity(getpid()));
  EXPECT_FALSE(self->boot.empty());
  const auto parent = process_identity(getppid());
  if (parent) {
    EXPECT_EQ(parent->boot, self->boot);
    EXPECT_LE(parent->start_ticks, self->start_ticks);
  }
}

TEST(ProcessIdentity, IsNoneOfAProcessThatIsGone) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(process_identity(child));
  EXPECT_FALSE(process_start(child));
}

TEST(ProcessIsSuspended, BetweenAStopAndTheContinuation) {
  if (!process_identity(getpid())) GTEST_SKIP() << "/proc is hidden";
  const pid_t child = fork();
  if (child == 0) {
    while (true) pause();
  }
  int status = 0;
  EXPECT_FALSE(process_is_suspended(child));
  kill(child, SIGSTOP);
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(process_is_suspended(child));
  kill(child, SIGCONT);
  ASSERT_EQ(waitpid(child, &status, WCONTINUED), child);
  EXPECT_FALSE(process_is_suspended(child));
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  EXPECT_FALSE(process_is_suspended(child)) << "it is gone";
}

TEST(SteadySeconds, NeverGoBack) {
  const double first = steady_seconds();
  EXPECT_GT(first, 0);
  EXPECT_GE(steady_seconds(), first);
}

}  // namespace
}  // namespace pretrain
