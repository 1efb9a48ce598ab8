// SPDX-License-Identifier: Apache-2.0
#include "libs/base/process.h"

#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "libs/base/error.h"
#include "libs/base/file.h"

namespace pretrain {
namespace {

/// Runs the work without listening and returns the message of the error that it must end with.
std::string error_of(const std::function<std::string()>& work) {
  try {
    run_in_child(work, {}, {});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kRuntime);
    return error.what();
  }
  return "no error";
}

TEST(RunInChild, ReturnsTheResultOfAnotherProcess) {
  const std::string result = run_in_child([] { return std::to_string(getpid()); }, {}, {});
  EXPECT_NE(result, std::to_string(getpid()));
  EXPECT_FALSE(result.empty());
}

TEST(RunInChild, ReturnsAnEmptyResultAndALargeBinaryOne) {
  EXPECT_EQ(run_in_child([] { return std::string(); }, {}, {}), "");
  const std::string large(1 << 20, '\0');
  EXPECT_EQ(run_in_child([&] { return large; }, {}, {}), large);
}

TEST(RunInChild, DeliversTheOutputLineByLine) {
  std::vector<std::string> lines;
  const auto work = [] {
    std::fprintf(stderr, "one\ntwo\n");
    return std::string("done");
  };
  EXPECT_EQ(run_in_child(work, [&](std::string_view line) { lines.emplace_back(line); }, {}), "done");
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two"}));
}

/// Then a pipe to the child may have the number of standard error.
TEST(RunInChildDeathTest, WorksWithStandardStreamsClosed) {
  for (int closed = 1; closed < 8; ++closed) {
    const auto run = [&] {
      for (int stream = 0; stream < 3; ++stream) {
        if ((closed >> stream & 1) != 0) close(stream);
      }
      std::string heard;
      const auto work = [] {
        (void)!write(STDERR_FILENO, "line\n", 5);
        return std::string(100'000, 'r');
      };
      const std::string result = run_in_child(work, [&](std::string_view line) { heard = line; }, {});
      _exit(result == std::string(100'000, 'r') && heard == "line" ? 0 : 1);
    };
    EXPECT_EXIT(run(), testing::ExitedWithCode(0), "") << closed;
  }
}

TEST(RunInChild, LeavesTheParentsMemoryAlone) {
  int value = 1;
  run_in_child(
      [&] {
        value = 2;
        return std::string();
      },
      {}, {});
  EXPECT_EQ(value, 1);
}

TEST(RunInChild, PassesOnTheMessageOfAnException) {
  EXPECT_EQ(error_of([]() -> std::string { throw std::runtime_error("too few pieces"); }), "too few pieces");
}

TEST(RunInChild, SaysWhatToDoAboutALackOfMemoryOrThreads) {
  EXPECT_THAT(error_of([]() -> std::string { throw std::bad_alloc(); }),
              testing::HasSubstr("out of memory; "));
  EXPECT_THAT(error_of([]() -> std::string {
                throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
              }),
              testing::HasSubstr("no more threads; "));
}

TEST(RunInChild, ReportsAChildThatASignalEnded) {
  const std::string message = error_of([] {
    kill(getpid(), SIGKILL);
    return std::string();
  });
  EXPECT_THAT(message, testing::StartsWith("child process ended by signal 9; the machine may lack memory"));
}

TEST(RunInChild, NamesTheLastLineOfAChildThatALibraryEnded) {
  EXPECT_THAT(error_of([]() -> std::string {
                std::fprintf(stderr, "training\nmalloc failed\n");
                std::abort();
              }),
              testing::StartsWith("child process ended by signal 6 after it wrote: malloc failed; "));
  EXPECT_EQ(error_of([]() -> std::string {
              std::fprintf(stderr, "giving up\n");
              _exit(7);
            }),
            "child process ended with code 7 and without a result after it wrote: giving up");
}

/// Nothing catches an exception in a thread of a library.
TEST(RunInChild, PassesOnTheMessageOfAnExceptionInAThread) {
  const auto message = error_of([]() -> std::string {
    std::thread([] { throw std::bad_alloc(); }).join();
    return "unreachable";
  });
  EXPECT_THAT(message, testing::StartsWith("out of memory; "));
}

/// Waits until the process waits for something (as the writer of a full pipe does).
void wait_until_asleep(pid_t process) {
  const Path status = "/proc/" + std::to_string(process) + "/stat";
  while (read_file(status).find(") S ") == std::string::npos) {
  }
}

TEST(RunInChild, RefusesTheResultOfAChildKilledWhileHandingItOver) {
  const auto work = [] {
    std::string larger_than_a_pipe(8 << 20, 'x');
    std::fprintf(stderr, "%d\n", getpid());
    return larger_than_a_pipe;
  };
  const auto kill_it = [](std::string_view line) {
    const pid_t child = std::stoi(std::string(line));
    wait_until_asleep(child);
    kill(child, SIGKILL);
  };
  try {
    const std::string result = run_in_child(work, kill_it, {});
    FAIL() << "accepted " << result.size() << " bytes";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("child process ended by signal 9"));
  }
}

TEST(RunInChild, KillsTheChildWhenAStopIsRequested) {
  std::stop_source stop;
  const auto work = []() -> std::string {
    std::fprintf(stderr, "started\n");
    while (true) pause();
  };
  EXPECT_THROW(run_in_child(
                   work, [&](std::string_view) { stop.request_stop(); }, stop.get_token()),
               Stopped);
}

}  // namespace
}  // namespace pretrain
