// SPDX-License-Identifier: Apache-2.0
#pragma once
// Recognizes files that training runs write. A state folder may be below the corpus, and its metrics would
// otherwise be read as text that keeps growing.

#include <set>
#include <string_view>
#include <vector>

#include "libs/base/file_identity.h"

namespace pretrain {

/// Thread-compatible.
class RunFiles {
 public:
  /// `state_folders` belong to runs; they need not exist.
  explicit RunFiles(const std::vector<Path>& state_folders);

  /// Whether the folder is one of those, under any path, or looks like the state folder of a run.
  bool is_state_folder(const Path& folder) const;

  /// Whether a run writes a file or folder of this name directly into its state folder.
  static bool is_run_entry(std::string_view name);

  /// Whether the path is a file of a run, or inside a folder of one.
  /// Requires: canonical.
  bool hold(const Path& path) const;

 private:
  std::set<FileIdentity> known_;
};

}  // namespace pretrain
