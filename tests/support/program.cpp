// SPDX-License-Identifier: Apache-2.0
#include "tests/support/program.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pretrain::test {

Program::Program(const std::filesystem::path& binary, const std::vector<std::string>& arguments,
                 const Surroundings& surroundings) {
  std::string pattern = (std::filesystem::temp_directory_path() / "pretrain-output-XXXXXX").string();
  const int output = mkstemp(pattern.data());
  if (output < 0) throw std::runtime_error("cannot create " + pattern);
  output_file_ = pattern;
  std::vector<std::string> words{binary.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    for (const auto& [name, value] : surroundings.environment) setenv(name.c_str(), value.c_str(), 1);
    if (surroundings.before_exec && !surroundings.before_exec()) _exit(126);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(output);
}

Program::~Program() {
  if (!reaped_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, &status_, 0);
  }
  std::error_code ignored;
  std::filesystem::remove(output_file_, ignored);
}

void Program::signal(int number) const {
  kill(pid_, number);
}

bool Program::catches(int number) const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    const bool blocked = line.starts_with("SigBlk:");  // and waited for on another thread
    if (blocked) return (std::stoull(line.substr(7), nullptr, 16) >> (number - 1) & 1) != 0;
  }
  return false;
}

bool Program::has_ended() {
  if (!reaped_) reaped_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return reaped_;
}

bool Program::wait_until(const std::function<bool()>& condition, std::chrono::seconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (has_ended() || std::chrono::steady_clock::now() > end) return condition();
    poll(nullptr, 0, 5);
  }
  return true;
}

bool Program::ends_within(std::chrono::seconds patience) {
  wait_until([] { return false; }, patience);
  return has_ended();
}

std::string Program::output() const {
  std::ifstream file(output_file_, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

ProgramResult Program::wait() {
  if (!reaped_) reaped_ = waitpid(pid_, &status_, 0) == pid_;
  return {.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_),
          .output = output()};
}

ProgramResult run_program(const std::filesystem::path& binary, const std::vector<std::string>& arguments,
                          const Surroundings& surroundings) {
  return Program(binary, arguments, surroundings).wait();
}

}  // namespace pretrain::test
