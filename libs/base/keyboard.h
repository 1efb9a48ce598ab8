// SPDX-License-Identifier: Apache-2.0
#pragma once
// Standard input as the keyboard of an interactive program.

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace pretrain {

struct TerminalModes;

/// Whether standard input is a terminal.
bool input_is_terminal();

/// The next byte of standard input; empty at the end, and when the terminal was closed. Takes only that byte.
/// Errors: Stopped; kRuntime when the input can't be read.
std::optional<char> read_input_byte(const std::stop_token& stop);

/// While it lives, Ctrl-C on the terminal is a key and no signal, so that it never ends the program at a moment when
/// nobody reads keys. Does nothing unless standard input is a terminal. Single-owner; lives longer than a KeyWatch.
class InterruptKey {
 public:
  InterruptKey();
  ~InterruptKey();
  /// Makes it so again, after others have changed the terminal.
  void hold() const;
  InterruptKey(const InterruptKey&) = delete;
  InterruptKey& operator=(const InterruptKey&) = delete;

 private:
  std::unique_ptr<TerminalModes> before_;  // null: standard input is no terminal
};

/// While it lives, keys are neither shown nor collected to lines: they can be read as they are typed. Does nothing unless
/// standard input is a terminal. Single-owner; one at a time.
class KeyWatch {
 public:
  KeyWatch();
  ~KeyWatch();
  KeyWatch(const KeyWatch&) = delete;
  KeyWatch& operator=(const KeyWatch&) = delete;

  /// Whether Ctrl-C was typed since the last call. Does not wait.
  bool was_interrupted();
  /// The other keys that were typed.
  std::string take_keys();

 private:
  std::unique_ptr<TerminalModes> before_;  // null: standard input is no terminal
  std::string keys_;
};

}  // namespace pretrain
