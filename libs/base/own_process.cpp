// SPDX-License-Identifier: Apache-2.0
#include "libs/base/own_process.h"

#include <chrono>
#include <csignal>
#include <ctime>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "libs/base/kernel_text.h"

namespace pretrain {

int process_number() {
  return ::getpid();
}

/// The 22nd field, in clock ticks since the machine started. The second one is a name in parentheses, which may hold
/// anything.
std::optional<double> process_start(int number) {
  const std::string text = kernel_text(fmt::format("/proc/{}/stat", number));
  size_t place = text.rfind(')');
  if (place == std::string::npos) return std::nullopt;
  constexpr int kFieldsAfterName = 20;
  for (int field = 0; field < kFieldsAfterName; ++field) {
    place = text.find(' ', place + 1);
    if (place == std::string::npos) return std::nullopt;
  }
  const auto ticks = leading_number(std::string_view(text).substr(place));
  timespec since_start{};
  if (!ticks || ::clock_gettime(CLOCK_BOOTTIME, &since_start) != 0) return std::nullopt;
  const double age = static_cast<double>(since_start.tv_sec) +
                     1e-9 * static_cast<double>(since_start.tv_nsec) -
                     static_cast<double>(*ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count() - age;
}

/// A second SIGTERM would mean to exit without saving; SIGXCPU never does.
void request_own_stop() {
  ::kill(::getpid(), SIGXCPU);
}

}  // namespace pretrain
