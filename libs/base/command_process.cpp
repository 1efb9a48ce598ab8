// SPDX-License-Identifier: Apache-2.0
#include "libs/base/command_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libs/base/descriptor.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;

/// The process's environment with the additions, which win.
std::vector<std::string> environment_of(const CommandRequest& request) {
  std::vector<std::string> entries;
  for (const auto& [name, value] : request.environment) entries.push_back(fmt::format("{}={}", name, value));
  for (char** own = environ; own != nullptr && *own != nullptr; ++own) {
    const std::string_view entry(*own);
    bool replaced = false;
    for (const auto& [name, _] : request.environment) {
      if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') replaced = true;
    }
    if (!replaced) entries.emplace_back(entry);
  }
  return entries;
}

/// The text as a file in memory, so that a command that reads nothing blocks nobody.
Descriptor file_with(const std::string& text) {
  Descriptor file(::memfd_create("event", MFD_CLOEXEC));
  if (!file) return file;
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(file.get(), text.data() + done, text.size() - done);
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

/// A child in a process group of its own, which signals of this process's terminal do not reach.
class Child {
 public:
  /// 0, or the error of the start.
  int start(const CommandRequest& request) {
    const Descriptor input = file_with(request.input);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (input) posix_spawn_file_actions_adddup2(&actions, input.get(), STDIN_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    // This process blocks the signals that end a run and ignores those of failed writes; a command must not inherit
    // either: in `yes | head -1`, only SIGPIPE ends `yes` silently.
    sigset_t none, ignored;
    sigemptyset(&none);
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGPIPE);
    sigaddset(&ignored, SIGXFSZ);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &ignored);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    std::vector<std::string> entries = environment_of(request);
    std::vector<char*> environment;
    environment.reserve(entries.size() + 1);
    for (std::string& entry : entries) environment.push_back(entry.data());
    environment.push_back(nullptr);
    std::string shell = "/bin/sh", option = "-c", command = request.command;
    const std::array<char*, 4> words{shell.data(), option.data(), command.data(), nullptr};
    const int code =
        ::posix_spawn(&process_, shell.c_str(), &actions, &attributes, words.data(), environment.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code;
  }

  /// Whether it has ended; then status() is known.
  bool has_ended() { return ::waitpid(process_, &status_, WNOHANG) == process_; }
  int status() const { return status_; }

  void kill_all() {
    ::kill(-process_, SIGKILL);
    while (::waitpid(process_, &status_, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  pid_t process_ = -1;
  int status_ = 0;
};

std::string describe(int status) {
  if (WIFSIGNALED(status)) return fmt::format("ended by signal {}", WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) return fmt::format("ended with exit code {}", WEXITSTATUS(status));
  return "";
}

}  // namespace

std::string run_user_command(const CommandRequest& request, const std::stop_token& stop) {
  Child child;
  if (const int code = child.start(request); code != 0)
    return fmt::format("could not be started: {}", std::strerror(code));
  const auto end = Clock::now() + request.most;
  constexpr std::chrono::milliseconds kLook(20);
  while (!child.has_ended()) {
    if (stop.stop_requested() || Clock::now() >= end) {
      child.kill_all();
      if (stop.stop_requested()) return "was killed because the program ends";
      return fmt::format("did not end within {}", format_duration(request.most));
    }
    std::this_thread::sleep_for(kLook);
  }
  return describe(child.status());
}

}  // namespace pretrain
