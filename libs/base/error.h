// SPDX-License-Identifier: Apache-2.0
#pragma once
// Errors that end a command. They are thrown where the problem is found, and caught only around the flow
// graph and in main. Expected outcomes (end of the corpus, a damaged record) are return values instead.

#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace pretrain {

/// The kind of error that ended the program; its value is the exit code of the process.
enum class ErrorKind {
  kRuntime = 1,  ///< anything else: I/O error, full disk, failed final save
  kUsage = 2,    ///< command line or configuration
  kData = 3,     ///< corpus or checkpoint unusable
};

/// One line for the user: the object, the problem and the remedy.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

/// Thrown by a wait that a stop request ends. Not an error: main exits with 0.
class Stopped : public std::runtime_error {
 public:
  Stopped() : std::runtime_error("stopped on request") {}
};

template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace pretrain
