#pragma once
// The log: lines for a person on standard error, through spdlog. A live status line on a terminal is erased
// before a log line is written and drawn again by its owner.

#include <functional>
#include <string>

#include <spdlog/spdlog.h>

namespace pretrain {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Sets the format (time, level, text) and the level. Called once by main before any other use.
void initialize_log(LogLevel level);

/// Called before each line while set, to clear what else stands in the terminal's current line. Thread-safe.
void set_log_line_hook(std::function<void()> before_line);

template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::info(format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::warn(format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::error(format, std::forward<Args>(args)...);
}

}  // namespace pretrain
