#include "libs/base/stop.h"

#include <chrono>
#include <future>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

namespace pretrain {
namespace {

constexpr std::chrono::seconds kLongest{30};

/// Waits until the token says stop; false when it takes too long.
bool stop_arrives(const std::stop_token& token) {
  std::promise<void> stopped;
  const std::stop_callback callback(token, [&] { stopped.set_value(); });
  return stopped.get_future().wait_for(kLongest) == std::future_status::ready;
}

bool save_request_arrives(StopSignal& signal) {
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  while (std::chrono::steady_clock::now() < deadline) {
    if (signal.take_save_request()) return true;
    std::this_thread::yield();
  }
  return false;
}

/// Waits until no stop signal is pending.
bool signals_are_taken() {
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  while (std::chrono::steady_clock::now() < deadline) {
    sigset_t pending;
    sigpending(&pending);
    if (sigismember(&pending, SIGTERM) == 0 && sigismember(&pending, SIGINT) == 0) return true;
    std::this_thread::yield();
  }
  return false;
}

TEST(StopSignal, TurnsTerminationIntoAStopRequest) {
  for (const int number : {SIGTERM, SIGINT}) {
    const StopSignal signal;
    EXPECT_FALSE(signal.requested());
    kill(getpid(), number);
    EXPECT_TRUE(stop_arrives(signal.token()));
    EXPECT_TRUE(signal.requested());
  }
}

TEST(StopSignal, DeliversASaveRequestOnceAndDoesNotStop) {
  StopSignal signal;
  EXPECT_FALSE(signal.take_save_request());
  kill(getpid(), SIGUSR1);
  EXPECT_TRUE(save_request_arrives(signal));
  EXPECT_FALSE(signal.take_save_request());
  EXPECT_FALSE(signal.requested());
}

TEST(StopSignal, EndsWithoutASignal) {
  const StopSignal signal;
  EXPECT_FALSE(signal.requested());
}

/// As timeout(1) sends it: to the process and to its group.
TEST(StopSignal, TakesASignalThatComesTwiceForOneRequest) {
  StopSignal signal;
  kill(getpid(), SIGTERM);
  EXPECT_TRUE(stop_arrives(signal.token()));
  kill(getpid(), SIGTERM);
  kill(getpid(), SIGINT);
  EXPECT_TRUE(signals_are_taken());
  kill(getpid(), SIGUSR1);
  EXPECT_TRUE(save_request_arrives(signal));
}

TEST(StopSignalDeathTest, LeavesAtOnceOnTheSecondSignal) {
  const auto stop_twice = [] {
    const StopSignal signal;
    kill(getpid(), SIGTERM);
    if (!stop_arrives(signal.token())) _exit(1);
    while (true) {
      std::this_thread::sleep_for(StopSignal::kSameRequest);
      kill(getpid(), SIGTERM);
    }
  };
  EXPECT_EXIT(stop_twice(), testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace pretrain
