// SPDX-License-Identifier: Apache-2.0
// The program under a service manager: what it reports, and what it does when something hangs.

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "tests/end_to_end/run.h"
#include "tests/support/notify_socket.h"

namespace pretrain::test {
namespace {

constexpr std::chrono::seconds kPatience{300};
/// Pings come four times in it.
constexpr const char* kWatchdogMicroseconds = "800000";

/// The program as a service, with a file that makes system calls hang while it exists.
class RunningService {
 public:
  explicit RunningService(const Words& more = {})
      : program_(binary(), run(more),
                 {.environment = {{"NOTIFY_SOCKET", manager.path()},
                                  {"WATCHDOG_USEC", kWatchdogMicroseconds},
                                  {"LD_PRELOAD", PRETRAIN_STALL_LIBRARY},
                                  {"PRETRAIN_STALL", trigger().string()}}}) {}

  Words run(const Words& more) const {
    // Few batches wait, so that a loader that hangs is felt soon.
    return tiny_run(state()) + Words{"--queue", "2", "--checkpoint-every", "50"} + more;
  }
  std::filesystem::path state() const { return folder_ / "state"; }
  std::filesystem::path trigger() const { return folder_ / "stall"; }

  /// Reads what the program reports meanwhile: a full socket, which ten pings make on a slow machine, holds it up.
  bool wait_until(const std::function<bool()>& condition) {
    return program_.wait_until(
        [&] {
          manager.messages();
          return condition();
        },
        kPatience);
  }
  bool wait_for(const std::string& message) {
    return wait_until([&] { return manager.has(message); });
  }
  bool wait_for_step(uint64_t step) {
    return wait_until([&] { return last_step(state()) >= step; });
  }

  /// Makes an operation on a path hang.
  void stall(const std::string& order) const {
    folder_.write("order", order);
    std::filesystem::rename(folder_ / "order", trigger());
  }
  void release() const { std::filesystem::remove(trigger()); }

  /// Waits until so many more watchdog pings have come.
  bool keeps_pinging(size_t pings) {
    const size_t before = manager.count("WATCHDOG=1");
    return wait_until([&] { return manager.count("WATCHDOG=1") >= before + pings; });
  }

  /// Watchdog pings during a time in which at least twelve would be due.
  size_t pings_in_three_intervals() {
    const size_t before = manager.count("WATCHDOG=1");
    program_.wait_until(
        [this] {
          manager.messages();  // a full socket would hold up the program
          return false;
        },
        std::chrono::seconds(3));
    return manager.count("WATCHDOG=1") - before;
  }

  void signal(int number) const { program_.signal(number); }
  ProgramResult wait() { return program_.wait(); }

  NotifySocket manager;

 private:
  TempFolder folder_;
  Program program_;
};

class Service : public testing::Test {
 protected:
  void SetUp() override {
#ifdef PRETRAIN_SANITIZED
    GTEST_SKIP() << "a sanitizer's runtime must come before the library that makes calls hang";
#endif
  }
};

TEST_F(Service, IsReadyWithItsFirstBatchAndPingsWhileItTrains) {
  RunningService service;
  ASSERT_TRUE(service.wait_for("STATUS=step "));
  const auto& messages = service.manager.messages();
  const auto first_step = std::ranges::find_if(
      messages, [](const std::string& message) { return message.starts_with("STATUS=step "); });
  EXPECT_NE(std::find(messages.begin(), first_step, "READY=1"), first_step);
  EXPECT_TRUE(service.keeps_pinging(6));
  service.signal(SIGTERM);
  EXPECT_EQ(service.wait().exit_code, 0);
  EXPECT_TRUE(service.manager.has("STOPPING=1"));
  EXPECT_TRUE(service.manager.has("STATUS=saving step "));
  EXPECT_EQ(service.manager.count("READY=1"), 1U);
}

TEST_F(Service, IsNotReadyWhileItTrainsTheVocabulary) {
  RunningService service;
  ASSERT_TRUE(service.wait_for("READY=1"));
  const auto& messages = service.manager.messages();
  const auto ready = std::ranges::find(messages, "READY=1");
  EXPECT_NE(std::find(messages.begin(), ready, "STATUS=training the vocabulary"), ready);
}

TEST_F(Service, ALoaderThatHangsGetsNoPings) {
  RunningService service;
  ASSERT_TRUE(service.wait_for_step(10));
  service.stall("pread sample-corpus");
  // What is buffered is trained first.
  ASSERT_TRUE(service.wait_until([&] { return service.pings_in_three_intervals() == 0; }));
  service.release();
  ASSERT_TRUE(service.keeps_pinging(2));
  service.signal(SIGTERM);
  EXPECT_EQ(service.wait().exit_code, 0);
}

TEST_F(Service, ATrainerThatHangsGetsNoPings) {
  RunningService service;
  ASSERT_TRUE(service.wait_for_step(10));
  service.stall("write metrics.jsonl");
  ASSERT_TRUE(service.wait_until([&] { return service.pings_in_three_intervals() == 0; }));
  service.release();
  ASSERT_TRUE(service.keeps_pinging(2));
  service.signal(SIGTERM);
  EXPECT_EQ(service.wait().exit_code, 0);
}

TEST_F(Service, ASlowDiskIsNoReasonToRestart) {
  for (const char* order : {"write checkpoints", "fsync checkpoints"}) {
    RunningService service;
    ASSERT_TRUE(service.wait_for_step(10));
    service.stall(order);
    ASSERT_TRUE(service.wait_for_step(49)) << order;
    EXPECT_TRUE(service.keeps_pinging(6)) << order;
    service.release();
    ASSERT_TRUE(service.wait_until([&] { return last_step(service.state()) >= 100; })) << order;
    service.signal(SIGTERM);
    EXPECT_EQ(service.wait().exit_code, 0);
  }
}

TEST_F(Service, ALastSaveOnASlowDiskAsksForMoreTime) {
  RunningService service;
  ASSERT_TRUE(service.wait_for_step(10));
  service.stall("fsync checkpoints");
  service.signal(SIGTERM);
  ASSERT_TRUE(service.wait_for("STOPPING=1"));
  const size_t before = service.manager.count("EXTEND_TIMEOUT_USEC=");
  ASSERT_TRUE(service.wait_until([&] { return service.manager.count("EXTEND_TIMEOUT_USEC=") > before + 1; }));
  service.release();
  EXPECT_EQ(service.wait().exit_code, 0);
}

TEST_F(Service, AFailedSaveStandsInTheStatusLine) {
  RunningService service({"--checkpoint-every", "20"});
  // The first save runs during the first steps: its folder must exist before it is removed.
  ASSERT_TRUE(service.wait_until([&] { return !list_checkpoints(service.state()).empty(); }));
  // A file where the folder of the next attempt would be made: no name, no checkpoint.
  std::filesystem::permissions(checkpoints_folder(service.state()), std::filesystem::perms::none);
  if (geteuid() == 0) {  // permissions don't stop root, but a file in place of a folder does
    std::filesystem::rename(checkpoints_folder(service.state()), service.state() / "moved");
    std::ofstream(checkpoints_folder(service.state())) << "in the way";
  }
  EXPECT_TRUE(service.wait_until([&] {
    return std::ranges::any_of(service.manager.messages(), [](const std::string& message) {
      return message.starts_with("STATUS=step ") && message.find("failed:") != std::string::npos;
    });
  }));
}

}  // namespace
}  // namespace pretrain::test
