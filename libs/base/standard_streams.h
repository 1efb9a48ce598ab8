#pragma once
// Standard input, output and error, and what others do to them: they close them before the program starts,
// stop reading, go away, or hand over a full disk. None of it ends or stalls the program.

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>

#include "libs/base/descriptor.h"

namespace pretrain {

/// Makes what becomes of the standard streams, and a limit on file sizes, show as the result of a write and
/// never as the end of the process. Closed streams are opened on /dev/null, so that no file of the program
/// takes their place. Called first thing in main, before anything is opened.
void protect_standard_streams();

/// Standard error without waiting for its reader. Single-owner.
class ErrorStream {
 public:
  ErrorStream();

  /// Writes `text`, or what its reader takes of it within a moment; what does not fit is lost. A reader that
  /// has gone is no error.
  void write(std::string_view text);
  /// Calls of write() since the last look whose text was lost, in whole or in part, because nobody read it.
  uint64_t take_lost();

 private:
  bool send(std::string_view& text) const;
  bool wait_for_room() const;

  Descriptor own_;  // a second way to the same pipe or terminal, which does not block
  bool socket_ = false;
  bool stalled_ = false;
  uint64_t lost_ = 0;
};

/// Hands what was printed to standard output to whoever reads it.
/// Errors: OutputClosed when the reader has gone; kRuntime when it can't be written.
void flush_output();

/// The reader of standard output has gone; there is nobody left to write for. Not a fault, main exits 0.
class OutputClosed : public std::runtime_error {
 public:
  OutputClosed() : std::runtime_error("the reader of standard output has gone") {}
};

/// The lines of standard input. Single-owner.
class InputLines {
 public:
  /// Of a line that is longer, reading ends with an error.
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
