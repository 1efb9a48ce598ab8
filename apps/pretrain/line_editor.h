// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lines that the user types on a terminal, with editing keys and earlier lines, by libedit.

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace pretrain {

/// What ended a line.
enum class LineEnd {
  kEnter,
  kInterrupt,  ///< Ctrl-C: the line is discarded
  kEnd,        ///< Ctrl-D on an empty line, or the terminal is gone
};

/// Single-owner; one at a time. Changes the terminal only during read().
/// Requires: standard input and output are a terminal.
class LineEditor {
 public:
  explicit LineEditor(std::stop_token stop);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// Adds a line to those that the arrow keys bring back.
  void remember(const std::string& line);
  /// Keys that were typed before read(), as if they were typed in it.
  void type(const std::string& keys);
  /// Reads a line, without its newline. Keys that are no UTF-8 become U+FFFD.
  /// Errors: Stopped.
  LineEnd read(const std::string& prompt, std::string& line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pretrain
