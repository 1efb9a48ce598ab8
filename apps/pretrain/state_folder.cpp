// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/state_folder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>

#include "apps/pretrain/shell_text.h"
#include "libs/base/error.h"
#include "libs/base/own_process.h"
#include "libs/base/units.h"
#include "libs/checkpoint/store.h"
#include "libs/checkpoint/verify.h"

namespace pretrain {
namespace {

/// Whether the file holds `text`. Reads block by block, because the file may be large.
bool file_contains(const Path& path, std::string_view text) {
  if (!file_exists(path)) return false;
  const ReadableFile file(path);
  std::string window;
  std::vector<std::byte> block(1_MiB);
  for (uint64_t at = 0; const size_t n = file.read_at(at, block); at += n) {
    window.append(reinterpret_cast<const char*>(block.data()), n);
    if (window.find(text) != std::string::npos) return true;
    window.erase(0, window.size() - std::min(window.size(), text.size()));
  }
  return false;
}

/// Whether the file may hold `text`: one that can't be read may.
bool may_contain(const Path& path, std::string_view text) {
  try {
    return file_contains(path, text);
  } catch (const IoError&) {
    return true;
  }
}

/// A full log is renamed, for example to metrics-000007.jsonl.
bool has_full_logs(const Path& state) {
  return std::ranges::any_of(list_folder(state), [](const FolderEntry& entry) {
    return entry.name.starts_with("metrics-") && entry.name.ends_with(".jsonl");
  });
}

/// Whether a log may have a record that only a trained step or a completed checkpoint writes.
bool log_tells_of(const Path& state, std::string_view key) {
  return has_full_logs(state) || may_contain(metrics_file(state), key);
}

/// A file of this name that a killed start has left does not prove that it can be made, but its removal does.
void try_to_create_in(FileSystem& files, const Path& folder) {
  const Path probe = folder / fmt::format(".probe-{}", process_number());
  const auto explain = [&](const IoError& error) {
    throw IoError(error.kind(),
                  fmt::format("no checkpoint can be saved in {}: {}", folder.native(),
                              std::generic_category().message(error.code())),
                  error.code());
  };
  try {
    files.create(probe)->close();
  } catch (const IoError& error) {
    if (error.code() != EEXIST) explain(error);
  }
  try {
    files.remove_file(probe);
  } catch (const IoError& error) {
    explain(error);
  }
}

}  // namespace

Path nearest_existing(Path folder) {
  while (!folder_exists(folder) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

namespace {

/// The run among whose checkpoints a canonical path lies, or would.
std::optional<Path> run_with_checkpoints_around(const Path& place) {
  for (Path inner = place; inner.has_relative_path(); inner = inner.parent_path()) {
    const Path run = inner.parent_path();
    const bool is_place = inner == checkpoints_folder(run) || inner == abandoned_folder(run);
    if (is_place && !list_checkpoints(run).empty()) return run;
  }
  return std::nullopt;
}

}  // namespace

void refuse_output_in_checkpoints(std::string_view option, const Path& path) {
  const auto run =
      run_with_checkpoints_around(std::filesystem::weakly_canonical(std::filesystem::absolute(path)));
  if (!run) return;
  fail(ErrorKind::kUsage,
       "{} {} lies among the checkpoints of the run in {}, which removes old ones; use another folder",
       option, path.native(), run->native());
}

void refuse_place_in_checkpoints(const Path& state) {
  const Path place = std::filesystem::weakly_canonical(state);
  if (const auto run = run_with_checkpoints_around(place)) {
    fail(
        ErrorKind::kUsage,
        "--state {} lies among the checkpoints of the run in {}; to continue that: {}; or use another folder",
        state.native(), run->native(), resume_command(*run));
  }
  if (!file_exists(place / kManifestName)) return;
  fail(ErrorKind::kUsage,
       "--state {} is a checkpoint; to start from it: pretrain branch --checkpoint {} --state NEW",
       state.native(), shell_path(state));
}

void check_can_save(FileSystem& files, const Path& state) {
  const Path records = nearest_existing(state), checkpoints = nearest_existing(checkpoints_folder(state));
  try_to_create_in(files, checkpoints);
  if (records != checkpoints) try_to_create_in(files, records);
}

Path evaluation_file(const Path& state) {
  return state / "evaluation.safetensors";
}

Path collected_evaluation_file(const Path& state) {
  return state / "evaluation-collected.safetensors";
}

Path metrics_file(const Path& state) {
  return state / "metrics.jsonl";
}

Path skips_file(const Path& state) {
  return state / "skipped.jsonl";
}

bool is_state_folder(const Path& path) {
  if (!list_checkpoints(path).empty()) return true;
  return file_exists(path / "lock") &&
         (folder_exists(checkpoints_folder(path)) || !remains_of_run(path).empty());
}

bool holds_start(const Path& path) {
  return folder_exists(path) && file_exists(path / "lock");
}

std::string remains_of_run(const Path& state) {
  if (!folder_exists(state)) return "";
  std::string remains;
  const auto add = [&](bool is_there, std::string_view what) {
    if (is_there) remains += fmt::format("{}{}", remains.empty() ? "" : ", ", what);
  };
  add(file_exists(evaluation_file(state)), "evaluation.safetensors");
  constexpr std::string_view kOfACheckpoint = "\"checkpoint_bytes\"";
  const bool metrics_tell = log_tells_of(state, kOfACheckpoint);
  add(metrics_tell, "metrics.jsonl");
  add(!metrics_tell && may_contain(state / "events.jsonl", kOfACheckpoint), "events.jsonl");
  add(holds_former_checkpoints(state), "abandoned or damaged checkpoints");
  return remains;
}

bool is_untrained(const Path& state) {
  const auto entries = list_checkpoints(state);
  return entries.size() == 1 && entries.front().step == 0 && !holds_former_checkpoints(state) &&
         !log_tells_of(state, "\"batch_hash\"");
}

std::string first_content(const Path& state) {
  if (!folder_exists(state)) return "";
  constexpr std::array kOfAStart{"lock",    "checkpoints",     "metrics.jsonl", "events.jsonl", "curve.jsonl",
                                 "run.ini", "skip-steps.json", "skipped.jsonl", "control.sock"};
  for (const FolderEntry& entry : list_folder(state)) {
    // Also the partial evaluation set of a start that was killed.
    const bool is_collected = entry.name.starts_with("evaluation-collected.safetensors");
    if (!is_collected && std::ranges::find(kOfAStart, entry.name) == kOfAStart.end()) return entry.name;
  }
  if (!list_checkpoints(state).empty()) return "checkpoints";
  return remains_of_run(state);
}

void refuse_bare_start(const Path& folder) {
  if (!holds_start(folder) || !first_content(folder).empty()) return;
  fail(ErrorKind::kData, "{} holds no run yet; if one is starting, try again after its first step",
       folder.native());
}

void remove_records(FileSystem& files, const Path& state) {
  for (const Path& path : {evaluation_file(state), metrics_file(state), state / "events.jsonl",
                           state / "curve.jsonl", skips_file(state)}) {
    remove_tree(files, path);
  }
}

}  // namespace pretrain
