// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/run_files.h"

#include <algorithm>
#include <array>

namespace pretrain {
namespace {

/// A state folder has checkpoints, and next to them a lock or metrics. A copy of a single checkpoint, which
/// is a model, does not.
bool looks_like_state_folder(const Path& folder) {
  try {
    const Path checkpoints = folder / "checkpoints";
    if (!folder_exists(checkpoints)) return false;
    if (!file_exists(folder / "lock") && !file_exists(folder / "metrics.jsonl")) return false;
    return std::ranges::any_of(list_folder(checkpoints), [](const FolderEntry& entry) {
      return entry.is_folder && entry.name.find("step-") != std::string::npos;
    });
  } catch (const IoError&) {
    return false;
  }
}

}  // namespace

RunFiles::RunFiles(const std::vector<Path>& state_folders) {
  for (const Path& folder : state_folders) {
    if (const auto identity = identity_of(folder)) known_.insert(*identity);
  }
}

bool RunFiles::is_state_folder(const Path& folder) const {
  const auto identity = identity_of(folder);
  return identity && (known_.contains(*identity) || looks_like_state_folder(folder));
}

/// The names that this and earlier versions write. A run that trained on its own samples and metrics would learn
/// itself, so they are left out even where the state folder lies in the corpus.
bool RunFiles::is_run_entry(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kNames{"checkpoints", "abandoned",       "lock",
                                                          "run.ini",     "skip-steps.json", "control.sock"};
  static constexpr std::array<std::string_view, 5> kRecords{"metrics", "events", "curve", "skipped",
                                                            "evaluations"};
  if (std::ranges::find(kNames, name) != kNames.end()) return true;
  if (name.starts_with("evaluation") && name.find(".safetensors") != std::string_view::npos) return true;
  return name.ends_with(".jsonl") &&
         std::ranges::any_of(kRecords, [&](std::string_view record) { return name.starts_with(record); });
}

/// Looks at all folders above the path, because an input may be a folder deep in a run's.
bool RunFiles::hold(const Path& path) const {
  for (Path at = path; at.has_relative_path(); at = at.parent_path()) {
    if (is_run_entry(at.filename().native()) && is_state_folder(at.parent_path())) return true;
  }
  return false;
}

}  // namespace pretrain
