// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs a program as a user does: with arguments, signals, an exit code and output.

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace pretrain::test {

struct ProgramResult {
  int exit_code = -1;  ///< 128 + signal when a signal ended it
  std::string output;  ///< standard output and error together
};

/// How a program is started besides its arguments.
struct Surroundings {
  std::vector<std::pair<std::string, std::string>> environment = {};  ///< added to the test's own
  std::function<bool()> before_exec = {};  ///< runs in the new process; false ends it with exit code 126
};

/// A running program; killed when this goes.
class Program {
 public:
  Program(const std::filesystem::path& binary, const std::vector<std::string>& arguments,
          const Surroundings& surroundings = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void signal(int number) const;
  pid_t pid() const { return pid_; }
  /// Whether it has got so far that it takes this signal itself.
  bool catches(int number) const;
  /// What it has printed so far.
  std::string output() const;
  /// Asks again and again until `condition` holds, the program ends or the time is over; true when it holds.
  bool wait_until(const std::function<bool()>& condition, std::chrono::seconds patience);
  /// Waits for the end, but no longer; true when it has come.
  bool ends_within(std::chrono::seconds patience);
  /// Waits for the end.
  ProgramResult wait();

 private:
  bool has_ended();

  pid_t pid_ = -1;
  int status_ = 0;
  bool reaped_ = false;
  std::filesystem::path output_file_;
};

/// Runs to the end.
ProgramResult run_program(const std::filesystem::path& binary, const std::vector<std::string>& arguments,
                          const Surroundings& surroundings = {});

}  // namespace pretrain::test
