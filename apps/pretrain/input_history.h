// SPDX-License-Identifier: Apache-2.0
#pragma once
// The lines that the user typed in earlier interactive sessions: a text file, one line each, the last one last.

#include <string>
#include <string_view>
#include <vector>

#include "libs/base/file.h"

namespace pretrain {

/// $XDG_STATE_HOME/pretrain_history or ~/.local/state/pretrain_history: next to the default state folder, not in it, as a
/// new run wants an empty one. Empty when neither variable is set.
Path input_history_file();

/// Sessions at the same time may share a file. What can't be read or written is reported once and then left out.
/// Single-owner.
class InputHistory {
 public:
  /// Reads the last lines. An empty path: keeps nothing.
  InputHistory(FileSystem& files, Path path);

  const std::vector<std::string>& lines() const { return lines_; }
  /// Appends a line to the file.
  void add(std::string_view line);

  static constexpr size_t kMostLines = 1000;

 private:
  void read();
  void keep_private() const;
  void report(std::string_view action, const std::string& reason);

  FileSystem& files_;
  Path path_;  // empty after a failure
  std::vector<std::string> lines_;
};

}  // namespace pretrain
