// SPDX-License-Identifier: Apache-2.0
#pragma once
// The log: messages for the user on standard error, through spdlog, and on a terminal a live line below them.
// Thread-safe. Control characters in messages are escaped, because quoted text must not control the terminal.
//
// A line begins with the time and its level, and with the date unless on a terminal. In a message of several
// lines, each line begins like the first. In the journal, which records time and priority itself, a line
// begins only with its priority (sd-daemon(3)).

#include <chrono>
#include <string>
#include <string_view>

#include <spdlog/spdlog.h>

namespace pretrain {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Sets the level, and the format that fits standard error. Called once by main before any other use.
void initialize_log(LogLevel level);

/// Shows a line below the log, cut to the terminal's width; it replaces the previous one. Does nothing unless
/// standard error is a terminal that can redraw a line.
void show_live_line(std::string line);
void clear_live_line();
/// The most columns that show_live_line() shows without cutting.
size_t live_line_columns();

/// Starts the next entry on a new line, because the terminal has just echoed a key ("^C").
void leave_typed_line();

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

enum class LogPlace { kTerminal, kFile, kJournal };  ///< a pipe counts as a file

/// The kind of standard error.
LogPlace log_place();

/// One log entry as written, with its newline.
/// Units: `time` in the local time zone.
std::string format_log_entry(LogPlace place, LogLevel level, std::chrono::system_clock::time_point time,
                             std::string_view text);

}  // namespace pretrain
