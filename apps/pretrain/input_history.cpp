// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/input_history.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "libs/base/log.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

constexpr const char* kName = "pretrain_history";
constexpr uint64_t kLimitBytes = uint64_t{16} << 20;

std::vector<std::string> lines_in(std::string text) {
  repair_utf8(text);
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

Path input_history_file() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && Path(state).is_absolute()) return Path(state) / kName;
  const char* home = std::getenv("HOME");
  return home != nullptr && Path(home).is_absolute() ? Path(home) / ".local/state" / kName : Path();
}

InputHistory::InputHistory(FileSystem& files, Path path) : files_(files), path_(std::move(path)) {
  if (path_.empty()) return;
  try {
    read();
  } catch (const IoError& error) {
    report("read", error.what());
  }
}

/// A long file is cut to its last lines.
void InputHistory::read() {
  lines_ = lines_in(read_file_if_exists(path_, kLimitBytes).value_or(""));
  if (lines_.size() <= kMostLines) return;
  const bool cuts = lines_.size() > 2 * kMostLines;
  lines_.erase(lines_.begin(), lines_.end() - static_cast<int64_t>(kMostLines));
  if (cuts) write_file_atomically(files_, path_, fmt::format("{}\n", fmt::join(lines_, "\n")));
}

void InputHistory::add(std::string_view line) {
  lines_.emplace_back(line);
  if (path_.empty()) return;
  try {
    make_folders(files_, path_.parent_path());
    const bool is_new = !file_exists(path_);
    const auto file = files_.append(path_, std::numeric_limits<int64_t>::max());
    if (is_new) keep_private();
    file->write(fmt::format("{}\n", line));
    file->close();
  } catch (const IoError& error) {
    report("write", error.what());
  }
}

/// What a user types is for no one else.
void InputHistory::keep_private() const {
  using std::filesystem::perms;
  std::error_code ignored;  // on a file system without permissions
  std::filesystem::permissions(path_, perms::owner_read | perms::owner_write, ignored);
}

void InputHistory::report(std::string_view action, const std::string& reason) {
  log_warning("can't {} the history of lines ({}); this session keeps its own", action, reason);
  path_.clear();
}

}  // namespace pretrain
