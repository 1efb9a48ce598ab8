#pragma once
// What training runs write, told from text: a state folder may lie below the corpus, and its records would
// else be read as text that grows all the time.

#include <set>
#include <string_view>
#include <vector>

#include "libs/base/file_identity.h"

namespace pretrain {

/// Thread-compatible.
class RunFiles {
 public:
  /// `state_folders` are known to be runs'; they need not exist.
  explicit RunFiles(const std::vector<Path>& state_folders);

  /// Whether the folder is one of those, by whatever path, or looks like the state folder of a run.
  bool is_state_folder(const Path& folder) const;

  /// Whether a run keeps something of this name directly in its state folder.
  static bool is_run_entry(std::string_view name);

  /// Whether the path leads to something that a run keeps, or into it.
  /// Requires: canonical.
  bool hold(const Path& path) const;

 private:
  std::set<FileIdentity> known_;
};

}  // namespace pretrain
