#pragma once
// Errors that end what the program was asked to do. Thrown where the fault is found, caught around the flow
// graph and in main, nowhere else. Expected outcomes (end of corpus, damaged record) are return values
// instead.

#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace pretrain {

/// What kind of fault ended the program; the value is the process exit code.
enum class ErrorKind {
  kRuntime = 1,  ///< anything else: I/O error, full disk, failed final save
  kUsage = 2,    ///< command line or configuration
  kData = 3,     ///< corpus or checkpoint unusable
};

/// One line for a person: names the object, what is wrong and what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

/// Thrown by whatever was waiting when a stop was requested; not a fault, main exits 0.
class Stopped : public std::runtime_error {
 public:
  Stopped() : std::runtime_error("stopped on request") {}
};

template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace pretrain
