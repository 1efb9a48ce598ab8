// SPDX-License-Identifier: Apache-2.0
#include "libs/base/process.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libs/base/descriptor.h"
#include "libs/base/error.h"
#include "libs/base/file.h"

namespace pretrain {
namespace {

constexpr char kResultMark = 'R';
constexpr char kErrorMark = 'E';

std::pair<Descriptor, Descriptor> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    fail(ErrorKind::kRuntime, "cannot create a pipe: {}; raise the limit on open files (ulimit -n)",
         std::strerror(errno));
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

/// What the user reads: the standard's own messages name neither the problem nor a remedy.
std::string reason_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr)
    return "out of memory; end other programs, or raise the limit on memory (ulimit -v)";
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  if (system != nullptr && system->code() == std::errc::resource_unavailable_try_again)
    return "the system allows no more threads; raise its limits (ulimit -u, -v, -d)";
  return error.what();
}

/// Returns whether all of it was written.
bool write_all(int descriptor, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = ::write(descriptor, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;  // the parent has exited
    data.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

/// Duplicates a pipe whose number is that of a standard stream, which happens when the process was started
/// without them.
int beside_the_standard_streams(int descriptor) {
  return descriptor > STDERR_FILENO ? descriptor : fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

/// Of a child process; -1 in the parent.
int result_of_child = -1;

/// The terminate handler of a child process: one of its threads can't go on, because there is no memory for it, for example.
[[noreturn]] void hand_over_the_reason() {
  std::string reason = "unexpected end";
  try {
    if (std::current_exception() != nullptr) throw;
  } catch (const std::exception& error) {
    reason = reason_of(error);
  } catch (...) {  // of an unknown kind
  }
  _exit(write_all(result_of_child, kErrorMark + reason) ? EXIT_SUCCESS : EXIT_FAILURE);
}

[[noreturn]] void run_child(const std::function<std::string()>& work, int result, int output) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  result = beside_the_standard_streams(result);
  result_of_child = result;
  std::set_terminate(hand_over_the_reason);
  dup2(beside_the_standard_streams(output), STDERR_FILENO);
  bool written = false;
  try {
    written = write_all(result, kResultMark + work());
  } catch (const std::exception& error) {
    written = write_all(result, kErrorMark + reason_of(error));
  }
  _exit(written ? EXIT_SUCCESS : EXIT_FAILURE);
}

/// Appends what is readable; returns false at the end.
bool drain(int descriptor, std::string& into) {
  std::array<char, 65536> buffer{};
  const ssize_t n = ::read(descriptor, buffer.data(), buffer.size());
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  into.append(buffer.data(), static_cast<size_t>(n));
  return n > 0;
}

/// Delivers the complete lines, and keeps the last one.
void deliver_lines(std::string& text, std::string& last,
                   const std::function<void(std::string_view)>& on_output) {
  size_t end = 0;
  while ((end = text.find('\n')) != std::string::npos) {
    last = text.substr(0, end);
    if (on_output) on_output(last);
    text.erase(0, end + 1);
  }
}

/// Why a child that sent no result has ended. Its last line may be from the library in it that failed.
std::string describe_end(int status, const std::string& last_line) {
  constexpr size_t kMostOfLine = 200;
  const std::string said = last_line.empty() ? "" : " after it wrote: " + last_line.substr(0, kMostOfLine);
  if (!WIFSIGNALED(status))
    return fmt::format("child process ended with code {} and without a result{}", WEXITSTATUS(status), said);
  const int number = WTERMSIG(status);
  return fmt::format(
      "child process ended by signal {}{}; the machine may lack memory, or a limit (ulimit -v, -d, -u) is too low",
      number, said);
}

}  // namespace

std::string run_in_child(const std::function<std::string()>& work,
                         const std::function<void(std::string_view line)>& on_output,
                         const std::stop_token& stop) {
  auto [result_read, result_write] = make_pipe();
  auto [output_read, output_write] = make_pipe();
  const pid_t child = fork();
  if (child < 0) fail(ErrorKind::kRuntime, "cannot start a child process: {}", std::strerror(errno));
  if (child == 0) run_child(work, result_write.get(), output_write.get());
  result_write.reset();
  output_write.reset();

  std::string result, output, last_line;
  bool result_open = true;
  bool output_open = true;
  while ((result_open || output_open) && !stop.stop_requested()) {
    std::array<pollfd, 2> polled{{{result_open ? result_read.get() : -1, POLLIN, 0},
                                  {output_open ? output_read.get() : -1, POLLIN, 0}}};
    constexpr int kStopCheckMilliseconds = 50;
    if (poll(polled.data(), polled.size(), kStopCheckMilliseconds) <= 0) continue;
    if (polled[0].revents != 0) result_open = drain(result_read.get(), result);
    if (polled[1].revents != 0) output_open = drain(output_read.get(), output);
    deliver_lines(output, last_line, on_output);
  }
  if (result_open || output_open) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (stop.stop_requested()) throw Stopped();
  // Only a child that exited normally has sent its whole result.
  if (WIFSIGNALED(status) || result.empty() || WEXITSTATUS(status) != EXIT_SUCCESS)
    fail(ErrorKind::kRuntime, "{}", describe_end(status, last_line));
  if (result.front() == kErrorMark) fail(ErrorKind::kRuntime, "{}", result.substr(1));
  return result.substr(1);
}

namespace {

std::chrono::microseconds cpu_time_of(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return std::chrono::seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         std::chrono::microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/// The number after `key` in a text of "key: number" lines; 0 when it is absent.
uint64_t number_behind(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return 0;
  return std::strtoull(text.data() + at + key.size(), nullptr, 10);
}

}  // namespace

ProcessEffort process_effort() {
  ProcessEffort effort{.cpu_time = cpu_time_of(RUSAGE_SELF) + cpu_time_of(RUSAGE_CHILDREN)};
  try {  // absent if the kernel does not count
    const std::string io = read_file("/proc/self/io");
    effort.bytes_moved = number_behind(io, "rchar: ") + number_behind(io, "wchar: ");
  } catch (const IoError&) {
  }
  return effort;
}

std::chrono::nanoseconds thread_cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace pretrain
