#pragma once
// Reading checkpoints without changing anything on disk and without a lock: which there are, whether one is
// intact. STATE/checkpoints holds one folder `step-<9 digits or more>` for each checkpoint; other names are
// not ours. Thread-safe: no state.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/file.h"
#include "libs/checkpoint/manifest.h"

namespace pretrain {

/// A folder that has a checkpoint's name; what it holds was not looked at.
struct CheckpointEntry {
  uint64_t step = 0;
  Path folder;
};

/// A checkpoint whose every file was read and fitted its hash.
struct Checkpoint {
  uint64_t step = 0;
  Path folder;
  Manifest manifest = {};
};

struct DamagedCheckpoint {
  uint64_t step = 0;
  Path folder;  ///< where it stands now
  std::string reason;
};
using DamageReport = std::function<void(const DamagedCheckpoint&)>;

/// "step-000001200".
std::string checkpoint_name(uint64_t step);
/// The step that `checkpoint_name` made this name from, or nothing.
std::optional<uint64_t> checkpoint_step(std::string_view name);

Path checkpoints_folder(const Path& state_folder);

/// Newest first. Nothing when the folder does not exist.
std::vector<CheckpointEntry> list_checkpoints(const Path& state_folder);

/// Reads every file (from the device, not the page cache, as far as the kernel allows) and holds it against
/// the manifest; files that the manifest does not list are ignored, and links are damage. Errors: kData, one
/// line naming the file and what is wrong; NewerFormatError; IoError (which tells nothing about the
/// checkpoint: too many open files, no permission).
Checkpoint verify_checkpoint(const Path& folder);

/// The path of a file that the manifest lists, and that was verified with it.
/// Errors: kData when it does not list the name.
Path file_of(const Checkpoint& checkpoint, std::string_view name);

/// A checkpoint, or why it is damaged.
struct CheckpointVerdict {
  std::optional<Checkpoint> checkpoint;
  std::string damage;
};

/// verify_checkpoint with damage as an expected outcome. Errors: NewerFormatError, IoError.
[[nodiscard]] CheckpointVerdict judge_checkpoint(const Path& folder);

/// Hash of a whole file as the device holds it, and its size.
ManifestFile hash_file(const Path& path, Links links = Links::kFollow);

/// The newest checkpoint that verifies; damaged ones before it are reported, not touched.
/// Errors: NewerFormatError, IoError as for verify_checkpoint.
std::optional<Checkpoint> find_newest_verified(const Path& state_folder, const DamageReport& on_damaged = {});

}  // namespace pretrain
