// SPDX-License-Identifier: Apache-2.0
#pragma once
// Standard input, output and error, which may be closed before the program starts, have a reader that stalls
// or exits, or lead to a full disk. None of this ends or blocks the program.

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>

#include "libs/base/descriptor.h"

namespace pretrain {

/// Turns problems of the standard streams, and a limit on file sizes, into errors of write() instead of
/// signals that end the process. Opens closed streams on /dev/null, so that no file of the program gets their
/// number.
/// Requires: called first in main, before anything is opened.
void protect_standard_streams();

/// Standard error that does not block on its reader. Single-owner.
class ErrorStream {
 public:
  ErrorStream();

  /// Writes `text`. Text that the reader does not take within a short time is lost. A reader that has exited
  /// is not an error.
  void write(std::string_view text);
  /// Number of write() calls since the last call of this function whose text was lost, in whole or in part.
  uint64_t take_lost();

 private:
  bool send(std::string_view& text) const;
  bool wait_for_room() const;

  Descriptor own_;  // a second way to the same pipe or terminal, which does not block
  bool socket_ = false;
  bool stalled_ = false;
  uint64_t lost_ = 0;
};

/// Flushes standard output.
/// Errors: OutputClosed when the reader has exited; kRuntime when it can't be written.
void flush_output();

/// The reader of standard output has exited. Not an error: main exits with 0.
class OutputClosed : public std::runtime_error {
 public:
  OutputClosed() : std::runtime_error("the reader of standard output has exited") {}
};

/// The lines of standard input. Single-owner.
class InputLines {
 public:
  /// Maximum length of a line; a longer one is an error.
  explicit InputLines(std::stop_token stop, size_t longest_bytes);

  /// The next line without its newline; false at the end. Waits for no longer than the token allows.
  /// Errors: Stopped; kUsage when the line is too long; kRuntime when the input can't be read.
  bool next(std::string& line);

 private:
  bool fill();

  std::stop_token stop_;
  size_t longest_bytes_;
  std::string pending_;
  size_t begin_ = 0;     // of the next line in pending_
  size_t searched_ = 0;  // up to here pending_ holds no newline after begin_
  bool ended_ = false;
};

}  // namespace pretrain
