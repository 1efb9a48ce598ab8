#pragma once
// Runs a program as a user does: with arguments, signals, an exit code and output.

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace pretrain::test {

struct ProgramResult {
  int exit_code = -1;  ///< 128 + signal when a signal ended it
  std::string output;  ///< standard output and error together
};

/// A running program; killed when this goes.
class Program {
 public:
  Program(const std::filesystem::path& binary, const std::vector<std::string>& arguments);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void signal(int number) const;
  /// Asks again and again until `condition` holds, the program ends or the time is over; true when it holds.
  bool wait_until(const std::function<bool()>& condition, std::chrono::seconds patience);
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
ProgramResult run_program(const std::filesystem::path& binary, const std::vector<std::string>& arguments);

}  // namespace pretrain::test
