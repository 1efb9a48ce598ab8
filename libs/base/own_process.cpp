// SPDX-License-Identifier: Apache-2.0
#include "libs/base/own_process.h"

#include <chrono>
#include <csignal>
#include <ctime>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "libs/base/control_group.h"
#include "libs/base/kernel_text.h"
#include "libs/base/text.h"

namespace pretrain {

int process_number() {
  return ::getpid();
}

namespace {

/// The fields from the third one on; empty when there is no such process. The second one is a name in parentheses, which
/// may hold anything.
std::string fields_after_name(int number) {
  const std::string text = kernel_text(fmt::format("/proc/{}/stat", number));
  const size_t end = text.rfind(')');
  return end == std::string::npos ? "" : text.substr(end + 1);
}

/// The 22nd field, in clock ticks since the machine started.
std::optional<uint64_t> start_ticks_of(int number) {
  const std::string text = fields_after_name(number);
  if (text.empty()) return std::nullopt;
  size_t place = 0;
  constexpr int kFieldsBetween = 19;
  for (int field = 0; field < kFieldsBetween; ++field) {
    place = text.find(' ', place + 1);
    if (place == std::string::npos) return std::nullopt;
  }
  return leading_number(std::string_view(text).substr(place));
}

}  // namespace

std::optional<ProcessIdentity> process_identity(int number) {
  const auto ticks = start_ticks_of(number);
  const std::string boot(trim_blanks(kernel_text("/proc/sys/kernel/random/boot_id")));
  if (!ticks || boot.empty()) return std::nullopt;
  return ProcessIdentity{.boot = boot, .start_ticks = *ticks};
}

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::optional<double> process_start(int number) {
  const auto ticks = start_ticks_of(number);
  timespec since_start{};
  if (!ticks || ::clock_gettime(CLOCK_BOOTTIME, &since_start) != 0) return std::nullopt;
  const double age = static_cast<double>(since_start.tv_sec) +
                     1e-9 * static_cast<double>(since_start.tv_nsec) -
                     static_cast<double>(*ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count() - age;
}

bool process_is_suspended(int number) {
  const std::string fields = fields_after_name(number);
  return fields.starts_with(" T") || (!fields.empty() && frozen_group(number));
}

/// A second SIGTERM would mean to exit without saving; SIGXCPU never does.
void request_own_stop() {
  ::kill(::getpid(), SIGXCPU);
}

}  // namespace pretrain
