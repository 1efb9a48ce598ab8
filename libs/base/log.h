#pragma once
// The log: lines for the user on standard error, through spdlog, and the one line below them that a terminal
// shows live. Thread-safe. What a log line quotes can't command a terminal: control characters are escaped.
//
// A line begins with the time and its level; away from a terminal with the date too, and each further line of
// a text of several begins like the first. In the journal, which keeps time and priority itself, a line
// begins with its priority alone (sd-daemon(3)).

#include <chrono>
#include <string>
#include <string_view>

#include <spdlog/spdlog.h>

namespace pretrain {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Sets the format, by what standard error is, and the level. Called once by main before any other use.
void initialize_log(LogLevel level);

/// Shows a line below the log, in place of the one before, cut to the terminal's width. Does nothing where
/// standard error is no terminal that can redraw a line.
void show_live_line(std::string line);
void clear_live_line();
/// Columns of a line that show_live_line() does not cut.
size_t live_line_columns();

/// The next entry begins on a line of its own, though a terminal has just shown a key of the user ("^C").
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

/// What standard error is.
LogPlace log_place();

/// One log entry as it is written, with its newline.
/// Units: `time` in the local time zone.
std::string format_log_entry(LogPlace place, LogLevel level, std::chrono::system_clock::time_point time,
                             std::string_view text);

}  // namespace pretrain
