// SPDX-License-Identifier: Apache-2.0
#include "libs/base/standard_streams.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libs/base/error.h"
#include "libs/base/io_advice.h"

namespace pretrain {
namespace {

/// Time that a line waits for a slow reader. After one timeout, no line waits until the reader catches up.
constexpr int kPatienceMilliseconds = 500;

/// Signals that a write can raise (a pipe without a reader, the limit on file sizes, a background job that
/// writes to its terminal) and one that a read can raise (a background job). All become errors of the call.
constexpr std::array kIgnored{SIGPIPE, SIGXFSZ, SIGTTOU, SIGTTIN};

bool is_open(int descriptor) {
  return fcntl(descriptor, F_GETFD) != -1 || errno != EBADF;
}

std::string words_of(int code) {
  return std::generic_category().message(code);
}

}  // namespace

void protect_standard_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (is_open(stream)) continue;
    // open() returns the lowest free number, which is the stream's. Without /dev, a folder takes the number.
    if (open("/dev/null", O_RDWR) < 0) static_cast<void>(open("/", O_RDONLY | O_DIRECTORY));
  }
  for (const int number : kIgnored) std::signal(number, SIG_IGN);
}

/// O_NONBLOCK belongs to the open file, which the shell and other programs share. So a pipe or terminal is
/// opened a second time for this program alone.
ErrorStream::ErrorStream() {
  struct stat status {};
  if (fstat(STDERR_FILENO, &status) != 0) return;
  socket_ = S_ISSOCK(status.st_mode);
  if (S_ISFIFO(status.st_mode) || isatty(STDERR_FILENO) == 1)
    own_ = Descriptor(open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

void ErrorStream::write(std::string_view text) {
  while (!text.empty()) {
    if (send(text)) {
      stalled_ = false;
      continue;
    }
    if (errno != EAGAIN)
      return;  // the reader has exited or the disk is full, which can't be reported anywhere
    if (stalled_ || !wait_for_room()) {
      stalled_ = true;
      ++lost_;
      return;
    }
  }
}

uint64_t ErrorStream::take_lost() {
  return stalled_ ? 0 : std::exchange(lost_, 0);
}

/// Writes what the reader accepts and removes it from the text; false, with errno, when nothing was written.
bool ErrorStream::send(std::string_view& text) const {
  ssize_t written = 0;
  do {
    if (own_) {
      written = ::write(own_.get(), text.data(), text.size());
    } else if (socket_) {
      written = ::send(STDERR_FILENO, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
      written = ::write(STDERR_FILENO, text.data(), text.size());
    }
  } while (written < 0 && errno == EINTR);
  if (written == 0) errno = EIO;
  if (written <= 0) return false;
  text.remove_prefix(static_cast<size_t>(written));
  return true;
}

bool ErrorStream::wait_for_room() const {
  pollfd polled{own_ ? own_.get() : STDERR_FILENO, POLLOUT, 0};
  return poll(&polled, 1, kPatienceMilliseconds) > 0;
}

void flush_output() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  if (errno == EPIPE) throw OutputClosed();
  const int code = errno == 0 ? EIO : errno;
  fail(ErrorKind::kRuntime, "{}",
       with_io_advice(fmt::format("cannot write standard output: {}", words_of(code)), code));
}

InputLines::InputLines(std::stop_token stop, size_t longest_bytes)
    : stop_(std::move(stop)), longest_bytes_(longest_bytes) {}

bool InputLines::next(std::string& line) {
  size_t end = 0;
  while ((end = pending_.find('\n', searched_)) == std::string::npos && !ended_) {
    searched_ = pending_.size();
    if (searched_ - begin_ > longest_bytes_) {
      fail(ErrorKind::kUsage, "standard input has a line of more than {} bytes; use shorter lines",
           longest_bytes_);
    }
    ended_ = !fill();
  }
  if (end == std::string::npos && begin_ == pending_.size()) return false;
  line = pending_.substr(begin_, end == std::string::npos ? end : end - begin_);
  begin_ = searched_ = end == std::string::npos ? pending_.size() : end + 1;
  return true;
}

/// Appends the available input; false at the end.
bool InputLines::fill() {
  constexpr int kStopCheckMilliseconds = 50;
  pollfd polled{STDIN_FILENO, POLLIN, 0};
  do {
    if (stop_.stop_requested()) throw Stopped();
  } while (poll(&polled, 1, kStopCheckMilliseconds) == 0);
  // Consumed lines are erased once per block, so that the cost of a line is proportional to its length.
  pending_.erase(0, begin_);
  searched_ -= std::exchange(begin_, 0);
  std::array<char, 65536> block;
  const ssize_t got = ::read(STDIN_FILENO, block.data(), block.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got < 0) fail(ErrorKind::kRuntime, "cannot read standard input: {}", words_of(errno));
  pending_.append(block.data(), static_cast<size_t>(got));
  return got > 0;
}

}  // namespace pretrain
