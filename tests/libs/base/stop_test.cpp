// SPDX-License-Identifier: Apache-2.0
#include "libs/base/stop.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "libs/base/log.h"

namespace pretrain {
namespace {

constexpr std::chrono::seconds kLongest{30};
const std::vector<int> kStopSignals{SIGTERM, SIGINT, SIGQUIT, SIGHUP,    SIGXCPU,      SIGALRM, SIGVTALRM,
                                    SIGPROF, SIGPWR, SIGIO,   SIGSTKFLT, SIGRTMIN + 2, SIGRTMAX};

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
    if (std::ranges::none_of(kStopSignals, [&](int number) { return sigismember(&pending, number) == 1; }))
      return true;
    std::this_thread::yield();
  }
  return false;
}

TEST(StopSignal, TurnsTerminationIntoAStopRequest) {
  for (const int number : kStopSignals) {
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

/// As under nohup.
TEST(StopSignalDeathTest, LeavesAHangupIgnoredThatWasSoAtTheStart) {
  const auto hang_up = [] {
    std::signal(SIGHUP, SIG_IGN);
    StopSignal signal;
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGUSR1);
    _exit(save_request_arrives(signal) && !signal.requested() ? 0 : 1);
  };
  EXPECT_EXIT(hang_up(), testing::ExitedWithCode(0), "");
}

/// Profilers take SIGPROF.
TEST(StopSignalDeathTest, LeavesSignalsToWhoeverHandlesThem) {
  const auto profile = [] {
    static std::atomic<int> samples = 0;
    std::signal(SIGPROF, [](int) { ++samples; });
    StopSignal signal;
    kill(getpid(), SIGPROF);
    kill(getpid(), SIGUSR1);
    _exit(save_request_arrives(signal) && !signal.requested() && samples == 1 ? 0 : 1);
  };
  EXPECT_EXIT(profile(), testing::ExitedWithCode(0), "");
}

/// A terminal that closes sends more than one, and after a Ctrl-C too; none of them is a wish to lose work.
TEST(StopSignalDeathTest, NeverLeavesAtOnceOnAHangup) {
  const auto hang_up = [] {
    StopSignal signal;
    kill(getpid(), SIGINT);
    if (!stop_arrives(signal.token())) _exit(1);
    for (const int number : {SIGHUP, SIGXCPU, SIGHUP}) {
      std::this_thread::sleep_for(StopSignal::kSameRequest + std::chrono::milliseconds(50));
      kill(getpid(), number);
    }
    kill(getpid(), SIGUSR1);
    _exit(signals_are_taken() && save_request_arrives(signal) ? 0 : 1);
  };
  EXPECT_EXIT(hang_up(), testing::ExitedWithCode(0), "");
}

TEST(StopSignalDeathTest, AnswersARequestAndASecondOneInTheWordsOfTheWorkUnderWay) {
  const auto stop_twice = [] {
    initialize_log(LogLevel::kInfo);
    StopSignal signal;
    signal.set_words(
        [] { return StopWords{.now = "finishing step 8", .again = "loses it", .left = "lost step 8"}; });
    kill(getpid(), SIGINT);
    while (true) {
      std::this_thread::sleep_for(StopSignal::kSameRequest);
      kill(getpid(), SIGTERM);
    }
  };
  EXPECT_EXIT(stop_twice(), testing::ExitedWithCode(130),
              "stopping: finishing step 8 .Ctrl-C again loses it.\n.*lost step 8\n");
}

TEST(StopSignalDeathTest, LeavesByItselfWhenNothingHasToBeSaved) {
  const auto stop_and_hang = [] {
    initialize_log(LogLevel::kInfo);
    StopSignal signal;
    signal.set_work_to_save(false);
    kill(getpid(), SIGTERM);
    while (true) pause();
  };
  EXPECT_EXIT(stop_and_hang(), testing::ExitedWithCode(0), "stopped on request");
}

TEST(StopSignalDeathTest, WaitsForWorkThatIsToBeSaved) {
  const auto stop_and_work = [] {
    StopSignal signal;
    signal.set_work_to_save(false);
    signal.set_work_to_save(true);
    kill(getpid(), SIGTERM);
    std::this_thread::sleep_for(2 * StopSignal::kGrace);
    _exit(7);
  };
  EXPECT_EXIT(stop_and_work(), testing::ExitedWithCode(7), "");
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
