// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/pseudo_terminal.h"

#include <array>
#include <cstdlib>
#include <stdexcept>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace pretrain::test {

PseudoTerminal::PseudoTerminal() : master_(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
  if (master_ < 0 || grantpt(master_) != 0 || unlockpt(master_) != 0)
    throw std::runtime_error("no pseudo-terminal");
  name_ = ptsname(master_);
}

PseudoTerminal::~PseudoTerminal() {
  hang_up();
}

Surroundings PseudoTerminal::surroundings() const {
  const auto take_terminal = [name = name_] {
    setsid();
    const int terminal = open(name.c_str(), O_RDWR);  // becomes the controlling one
    if (terminal < 0) return false;
    const winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    ioctl(terminal, TIOCSWINSZ, &size);
    for (int stream = 0; stream < 3; ++stream) dup2(terminal, stream);
    return true;
  };
  return {.environment = {{"TERM", "xterm"}}, .before_exec = take_terminal};
}

void PseudoTerminal::type(const std::string& keys) const {
  if (write(master_, keys.data(), keys.size()) < 0) throw std::runtime_error("the terminal takes no keys");
}

const std::string& PseudoTerminal::screen() {
  std::array<char, 4096> block{};
  for (ssize_t got = 0; (got = read(master_, block.data(), block.size())) > 0;)
    screen_.append(block.data(), static_cast<size_t>(got));
  return screen_;
}

void PseudoTerminal::hang_up() {
  if (master_ >= 0) close(master_);
  master_ = -1;
}

}  // namespace pretrain::test
