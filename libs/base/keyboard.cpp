// SPDX-License-Identifier: Apache-2.0
#include "libs/base/keyboard.h"

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

constexpr char kInterruptKey = '\x03';  // Ctrl-C

bool has_input(int milliseconds) {
  pollfd polled{STDIN_FILENO, POLLIN, 0};
  return poll(&polled, 1, milliseconds) > 0;
}

}  // namespace

bool input_is_terminal() {
  return isatty(STDIN_FILENO) == 1;
}

std::optional<char> read_input_byte(const std::stop_token& stop) {
  constexpr int kStopCheckMilliseconds = 50;
  char byte = 0;
  ssize_t got = -1;
  do {
    do {
      if (stop.stop_requested()) throw Stopped();
    } while (!has_input(kStopCheckMilliseconds));
    got = ::read(STDIN_FILENO, &byte, 1);
  } while (got < 0 && (errno == EINTR || errno == EAGAIN));
  if (got < 0 && errno != EIO) {  // EIO: the terminal is gone
    fail(ErrorKind::kRuntime, "cannot read standard input: {}", std::generic_category().message(errno));
  }
  return got == 1 ? std::optional(byte) : std::nullopt;
}

struct TerminalModes {
  termios values;
};

namespace {

/// Null unless standard input is a terminal.
std::unique_ptr<TerminalModes> modes_of_input() {
  TerminalModes modes{};
  if (tcgetattr(STDIN_FILENO, &modes.values) != 0) return nullptr;
  return std::make_unique<TerminalModes>(modes);
}

/// After all that was written.
void set_modes(const termios& modes) {
  tcsetattr(STDIN_FILENO, TCSADRAIN, &modes);
}

}  // namespace

InterruptKey::InterruptKey() : before_(modes_of_input()) {
  hold();
}

void InterruptKey::hold() const {
  const std::unique_ptr<TerminalModes> now = modes_of_input();
  if (!now) return;
  now->values.c_cc[VINTR] = _POSIX_VDISABLE;
  set_modes(now->values);
}

InterruptKey::~InterruptKey() {
  if (before_) set_modes(before_->values);
}

KeyWatch::KeyWatch() : before_(modes_of_input()) {
  if (!before_) return;
  termios now = before_->values;
  now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  now.c_cc[VINTR] = _POSIX_VDISABLE;
  now.c_cc[VMIN] = 1;
  now.c_cc[VTIME] = 0;
  set_modes(now);
}

KeyWatch::~KeyWatch() {
  if (before_) set_modes(before_->values);
}

bool KeyWatch::was_interrupted() {
  if (!before_) return false;
  while (has_input(0)) {
    std::array<char, 256> block;
    const ssize_t got = ::read(STDIN_FILENO, block.data(), block.size());
    if (got <= 0) break;  // the end: the next read for a line finds it too
    keys_.append(block.data(), static_cast<size_t>(got));
  }
  const size_t last = keys_.rfind(kInterruptKey);
  if (last == std::string::npos) return false;
  keys_.erase(0, last + 1);  // what was typed before it was meant for a text that is no longer wanted
  return true;
}

std::string KeyWatch::take_keys() {
  return std::exchange(keys_, {});
}

}  // namespace pretrain
