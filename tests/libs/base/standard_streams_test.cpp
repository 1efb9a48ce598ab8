// SPDX-License-Identifier: Apache-2.0
#include "libs/base/standard_streams.h"

#include <array>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

/// Both ends of a pipe, with one of them in place of a standard stream. For processes that end soon.
struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) _exit(99);
    read_end = ends[0];
    write_end = ends[1];
  }
  int read_end = -1, write_end = -1;
};

/// Replaces standard error by a pipe and returns the end to read from.
int pipe_standard_error() {
  const Pipe pipe;
  dup2(pipe.write_end, STDERR_FILENO);
  close(pipe.write_end);
  return pipe.read_end;
}

[[noreturn]] void leave(bool as_expected) {
  _exit(as_expected ? 0 : 1);
}

TEST(StandardStreamsDeathTest, AreOpenAfterTheyWereClosed) {
  for (int closed = 0; closed < 8; ++closed) {
    const auto start = [&] {
      for (int stream = 0; stream < 3; ++stream) {
        if ((closed >> stream & 1) != 0) close(stream);
      }
      protect_standard_streams();
      leave(open("/dev/null", O_RDONLY) > STDERR_FILENO && write(STDERR_FILENO, "x", 1) == 1);
    };
    EXPECT_EXIT(start(), testing::ExitedWithCode(0), "") << closed;
  }
}

TEST(StandardStreamsDeathTest, GiveAnErrorInsteadOfASignalAboveTheLimitOnFileSizes) {
  const auto write_too_much = [] {
    protect_standard_streams();
    const rlimit limit{.rlim_cur = 10, .rlim_max = 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    FILE* file = tmpfile();
    const std::array<char, 20> data{};
    const bool partly = write(fileno(file), data.data(), data.size()) == 10;
    const bool refused = write(fileno(file), data.data(), data.size()) == -1 && errno == EFBIG;
    leave(partly && refused);
  };
  EXPECT_EXIT(write_too_much(), testing::ExitedWithCode(0), "");
}

TEST(ErrorStreamDeathTest, WritesWhatAReaderTakes) {
  const auto write_and_read = [] {
    const int reader = pipe_standard_error();
    ErrorStream stream;
    stream.write("one\n");
    std::array<char, 16> got{};
    leave(read(reader, got.data(), got.size()) == 4 && stream.take_lost() == 0);
  };
  EXPECT_EXIT(write_and_read(), testing::ExitedWithCode(0), "");
}

TEST(ErrorStreamDeathTest, SurvivesAReaderThatHasGone) {
  const auto write_to_nobody = [] {
    close(pipe_standard_error());
    protect_standard_streams();
    ErrorStream stream;
    for (int i = 0; i < 10; ++i) stream.write("line\n");
    leave(true);
  };
  EXPECT_EXIT(write_to_nobody(), testing::ExitedWithCode(0), "");
}

TEST(ErrorStreamDeathTest, DoesNotWaitForAReaderThatDoesNotReadAndCountsWhatIsLost) {
  const auto write_too_much = [] {
    const int reader = pipe_standard_error();
    ErrorStream stream;
    const std::string line(4096, 'x');
    for (int i = 0; i < 1000; ++i) stream.write(line);  // a pipe takes 64 KiB
    const bool known_later = stream.take_lost() == 0;
    std::vector<char> got(1 << 20);
    const bool drained = read(reader, got.data(), got.size()) > 0;
    stream.write("back\n");
    const uint64_t lost = stream.take_lost();
    leave(known_later && drained && lost > 900 && lost < 1000);
  };
  EXPECT_EXIT(write_too_much(), testing::ExitedWithCode(0), "");
}

TEST(ErrorStreamDeathTest, LeavesTheStreamOfOthersAsItIs) {
  const auto look_at_flags = [] {
    pipe_standard_error();
    ErrorStream stream;
    stream.write("x");
    leave((fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK) == 0);
  };
  EXPECT_EXIT(look_at_flags(), testing::ExitedWithCode(0), "");
}

/// Standard input from a pipe, given back with this.
class PipedInput {
 public:
  PipedInput() : before_(dup(STDIN_FILENO)) { dup2(pipe_.read_end, STDIN_FILENO); }
  ~PipedInput() {
    dup2(before_, STDIN_FILENO);
    for (const int descriptor : {before_, pipe_.read_end, pipe_.write_end}) close(descriptor);
  }
  void write(std::string_view text) const { (void)!::write(pipe_.write_end, text.data(), text.size()); }
  void end() {
    close(pipe_.write_end);
    pipe_.write_end = open("/dev/null", O_WRONLY);
  }

 private:
  Pipe pipe_;
  int before_;
};

std::vector<std::string> all_lines(InputLines& lines) {
  std::vector<std::string> all;
  for (std::string line; lines.next(line);) all.push_back(line);
  return all;
}

TEST(InputLines, AreWhatStandsBetweenNewlines) {
  PipedInput input;
  input.write("one\n\ntwo\nlast");
  input.end();
  InputLines lines({}, 100);
  EXPECT_EQ(all_lines(lines), (std::vector<std::string>{"one", "", "two", "last"}));
}

TEST(InputLines, AreNoneInAnEmptyInput) {
  PipedInput input;
  input.end();
  InputLines lines({}, 100);
  EXPECT_TRUE(all_lines(lines).empty());
}

TEST(InputLines, EndWithAStopWhileNothingComes) {
  const PipedInput input;
  input.write("begun");
  std::stop_source stop;
  stop.request_stop();
  InputLines lines(stop.get_token(), 100);
  std::string line;
  EXPECT_THROW((void)lines.next(line), Stopped);
}

TEST(InputLines, OfEndlessLengthAreRefused) {
  const int before = dup(STDIN_FILENO);
  const int zeros = open("/dev/zero", O_RDONLY);
  dup2(zeros, STDIN_FILENO);
  InputLines lines({}, 1 << 20);
  std::string line;
  try {
    (void)lines.next(line);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  }
  dup2(before, STDIN_FILENO);
  close(before);
  close(zeros);
}

}  // namespace
}  // namespace pretrain
