// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/service_reporter.h"

#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/support/notify_socket.h"

namespace pretrain {
namespace {

/// Variables as the service manager sets them, gone with this.
class Managed {
 public:
  Managed() {
    setenv("NOTIFY_SOCKET", manager.path().c_str(), 1);
    setenv("WATCHDOG_USEC", "60000000", 1);
  }
  ~Managed() {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
  }
  test::NotifySocket manager;
};

/// The loader's look at a large corpus, during which the trainer waits in silence.
TEST(ServiceReporter, TellsTheWatchdogOfWorkThatIsNotTheTrainers) {
  Managed managed;
  ServiceReporter reporter;
  EXPECT_FALSE(managed.manager.has("WATCHDOG=1"));
  reporter.note_other_work();
  EXPECT_TRUE(managed.manager.has("WATCHDOG=1"));
}

RunSnapshot at_step(uint64_t step) {
  return {.step = step, .loss = 2.5, .tokens_per_second = 100};
}

TEST(ServiceReporter, ShowsHowTheRunIsDoingWithoutFloodingTheServiceManager) {
  Managed managed;
  ServiceReporter reporter;
  for (uint64_t step = 1; step <= 100; ++step) reporter.on_step({}, at_step(step));
  EXPECT_TRUE(managed.manager.has("STATUS=step 1, loss 2.500, 100 tokens/s"));
  EXPECT_LT(managed.manager.count("STATUS="), 100U);
}

TEST(ServiceReporter, TellsOfASaveWithTheNextStep) {
  Managed managed;
  ServiceReporter reporter;
  reporter.on_step({}, at_step(1));
  reporter.on_saved({.step = 1, .ok = false, .error = "disk full"});
  RunSnapshot run = at_step(2);
  run.failed_save = "checkpoint of step 1 failed: disk full";
  reporter.on_step({}, run);
  EXPECT_TRUE(
      managed.manager.has("STATUS=step 2, loss 2.500, 100 tokens/s, checkpoint of step 1 failed: disk full"));
}

/// A finished run that a restart of the machine starts again; without it the start would have failed.
TEST(ServiceReporter, IsReadyBeforeItEndsWithNothingToTrain) {
  Managed managed;
  ServiceReporter reporter;
  reporter.on_finishing(4000);
  const auto& messages = managed.manager.messages();
  const auto ready = std::ranges::find(messages, "READY=1");
  EXPECT_LT(ready, std::ranges::find(messages, "STOPPING=1"));
  EXPECT_NE(ready, messages.end());
}

TEST(ServiceReporter, IsReadyOnce) {
  Managed managed;
  ServiceReporter reporter;
  reporter.on_ready();
  reporter.on_finishing(4000);
  EXPECT_EQ(managed.manager.count("READY=1"), 1U);
}

}  // namespace
}  // namespace pretrain
