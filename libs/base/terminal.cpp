// SPDX-License-Identifier: Apache-2.0
#include "libs/base/terminal.h"

#include <cstdlib>
#include <string_view>

#include <sys/ioctl.h>
#include <unistd.h>

namespace pretrain {

namespace {

bool takes_control_sequences() {
  const char* kind = std::getenv("TERM");
  return kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb";
}

size_t columns_of(int terminal) {
  winsize size{};
  if (ioctl(terminal, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

bool error_is_terminal() {
  return isatty(STDERR_FILENO) == 1 && takes_control_sequences();
}

bool output_can_be_cleared() {
  return output_is_terminal() && takes_control_sequences();
}

bool output_is_terminal() {
  return isatty(STDOUT_FILENO) == 1;
}

size_t error_columns() {
  return columns_of(STDERR_FILENO);
}

size_t output_columns() {
  return columns_of(STDOUT_FILENO);
}

}  // namespace pretrain
