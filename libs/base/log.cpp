// SPDX-License-Identifier: Apache-2.0
#include "libs/base/log.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

#include <fmt/chrono.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libs/base/enum_table.h"
#include "libs/base/quantity.h"
#include "libs/base/standard_streams.h"
#include "libs/base/terminal.h"
#include "libs/base/text.h"
#include "libs/base/wrapped_lines.h"

namespace pretrain {
namespace {

/// Back to the first column and erase the line.
constexpr std::string_view kErase = "\r\033[K";
/// The terminal echoes Ctrl-C as two characters after the live line. Leaving room for them before the last
/// column keeps them on the same line, so that they are erased with it.
constexpr size_t kRoomBehindLiveLine = 3;

LogLevel from_spdlog(spdlog::level::level_enum level) {
  if (level >= spdlog::level::err) return LogLevel::kError;
  if (level == spdlog::level::warn) return LogLevel::kWarning;
  return level == spdlog::level::info ? LogLevel::kInfo : LogLevel::kDebug;
}

struct LevelRow {
  LogLevel value;
  std::string_view name;
  spdlog::level::level_enum in_spdlog;
};
constexpr LevelRow kLevels[] = {{LogLevel::kDebug, "debug", spdlog::level::debug},
                                {LogLevel::kInfo, "info", spdlog::level::info},
                                {LogLevel::kWarning, "warning", spdlog::level::warn},
                                {LogLevel::kError, "error", spdlog::level::err}};
static_assert(is_in_order(kLevels));

/// Source: syslog(3).
int priority_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return 7;
    case LogLevel::kWarning:
      return 4;
    case LogLevel::kError:
      return 3;
    default:
      return 6;
  }
}

std::string beginning_of(LogPlace place, LogLevel level, std::chrono::system_clock::time_point time) {
  if (place == LogPlace::kJournal) {
    // The journal shows a priority as a colour at most; the word is for readers without colours.
    const std::string word =
        level < LogLevel::kWarning ? "" : fmt::format("{}: ", row_of(kLevels, level).name);
    return fmt::format("<{}>{}", priority_of(level), word);
  }
  const std::tm local = fmt::localtime(std::chrono::system_clock::to_time_t(time));
  return place == LogPlace::kTerminal
             ? fmt::format("{:%H:%M:%S} {}: ", local, row_of(kLevels, level).name)
             : fmt::format("{:%Y-%m-%d %H:%M:%S} {}: ", local, row_of(kLevels, level).name);
}

/// The first `columns` characters.
std::string_view first_columns(std::string_view text, size_t columns) {
  size_t at = 0;
  const auto inside_character = [&] { return (text[at] & 0xC0) == 0x80; };
  for (; at < text.size(); ++at) {
    if (inside_character()) continue;
    if (columns == 0) break;
    --columns;
  }
  return text.substr(0, at);
}

/// Of a warning or an error that quotes an endless argument: what it is about comes first, the remedy last.
constexpr size_t kMostAtStart = 6000, kMostAtEnd = 2000;

std::string without_middle(std::string_view text) {
  if (text.size() <= 2 * (kMostAtStart + kMostAtEnd)) return std::string(text);
  size_t start = kMostAtStart, end = text.size() - kMostAtEnd;
  const auto inside_character = [&](size_t at) { return (text[at] & 0xC0) == 0x80; };
  while (start > 0 && inside_character(start)) --start;
  while (end < text.size() && inside_character(end)) ++end;
  return fmt::format("{} [{} left out] {}", text.substr(0, start), format_counted(end - start, "byte"),
                     text.substr(end));
}

/// Writes entries and keeps the live line below them. Guarded by the sink's own mutex.
class LogSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void show(std::string line) {
    const std::lock_guard lock(mutex_);
    if (!redraws_) return;
    live_ = std::move(line);
    stream_.write(std::string(kErase) + drawn());
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(live_, {}).empty()) stream_.write(kErase);
  }

  /// The next entry begins on a line of its own.
  void break_line() {
    const std::lock_guard lock(mutex_);
    if (redraws_ && live_.empty()) stream_.write("\n");
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::string text(live_.empty() ? "" : kErase);
    if (const uint64_t lost = stream_.take_lost(); lost > 0) {
      text += '\n';
      text += format_log_entry(
          place_, LogLevel::kWarning, message.time,
          fmt::format("{} log entries were lost here, because the reader was too slow", lost));
    }
    const std::string entry = format_log_entry(place_, from_spdlog(message.level), message.time,
                                               {message.payload.data(), message.payload.size()});
    text += place_ == LogPlace::kTerminal ? wrapped_lines(entry, error_columns()) : entry;
    stream_.write(text + drawn());
  }
  void flush_() override {}  // nothing is held back

 private:
  std::string drawn() const { return std::string(first_columns(printable(live_), live_line_columns())); }

  ErrorStream stream_;
  LogPlace place_ = log_place();
  bool redraws_ = error_is_terminal();
  std::string live_;
};

std::shared_ptr<LogSink> sink() {
  static const auto instance = std::make_shared<LogSink>();
  return instance;
}

/// Whether standard error is the stream that the service manager connected to the journal, and not what it
/// was redirected to later.
/// Source: systemd.exec(5), JOURNAL_STREAM.
bool error_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  return stream != nullptr && fstat(STDERR_FILENO, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

}  // namespace

LogPlace log_place() {
  if (error_is_journal()) return LogPlace::kJournal;
  return isatty(STDERR_FILENO) == 1 ? LogPlace::kTerminal : LogPlace::kFile;
}

std::string format_log_entry(LogPlace place, LogLevel level, std::chrono::system_clock::time_point time,
                             std::string_view text) {
  const std::string beginning = beginning_of(place, level, time);
  // Only samples and tables have several lines. A line break in a warning comes from a quoted name.
  const bool may_have_lines = level == LogLevel::kInfo || level == LogLevel::kDebug;
  const std::string shown = may_have_lines ? printable(text, LineBreaks::kKeep)
                                           : printable(without_middle(text), LineBreaks::kEscape);
  std::string entry;
  std::string_view rest = shown;
  do {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    entry += entry.empty() || place != LogPlace::kTerminal ? beginning : "  ";
    entry += line;
    entry += '\n';
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  } while (!rest.empty());
  return entry;
}

void initialize_log(LogLevel level) {
  auto logger = std::make_shared<spdlog::logger>("pretrain", sink());
  logger->set_level(row_of(kLevels, level).in_spdlog);
  spdlog::set_default_logger(std::move(logger));
}

void show_live_line(std::string line) {
  sink()->show(std::move(line));
}

void clear_live_line() {
  sink()->clear();
}

size_t live_line_columns() {
  const size_t columns = error_columns();
  return columns > kRoomBehindLiveLine ? columns - kRoomBehindLiveLine : 1;
}

void leave_typed_line() {
  sink()->break_line();
}

}  // namespace pretrain
