// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lists and verifies checkpoints, without a lock and without changing anything on disk. STATE/checkpoints
// holds one folder `step-<9 digits or more>` for each checkpoint; other names are ignored. Thread-safe: no
// state.

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/file.h"
#include "libs/checkpoint/manifest.h"

namespace pretrain {

/// A folder with a checkpoint's name, not yet verified.
struct CheckpointEntry {
  uint64_t step = 0;
  Path folder;
};

/// A checkpoint in which every file that a run needs was read and matches its hash.
struct Checkpoint {
  uint64_t step = 0;
  Path folder;
  Manifest manifest = {};
  /// Changes in files that only other programs read, such as tokenizer.json, which Hugging Face's
  /// save_pretrained rewrites: "tokenizer.json has 8702 bytes instead of 7070". The next checkpoint has the
  /// original files.
  std::vector<std::string> changed = {};
};

/// "step-000001200".
std::string checkpoint_name(uint64_t step);
/// The step of a name made by checkpoint_name(), or nothing.
std::optional<uint64_t> checkpoint_step(std::string_view name);

Path checkpoints_folder(const Path& state_folder);

/// Newest first. Empty when the folder does not exist.
std::vector<CheckpointEntry> list_checkpoints(const Path& state_folder);

/// The manifest of a checkpoint whose other files are not read.
/// Errors: kData, one line naming the file and the problem; NewerFormatError; IoError.
Manifest read_manifest(const Path& folder);

/// Reads every file (from the device, not the page cache, as far as the kernel allows) and checks it against
/// the manifest. Ignores files that the manifest does not list; a link counts as damage.
/// Errors: kData, one /// line naming the file and the problem; NewerFormatError; IoError (which says nothing
/// about the checkpoint: the device fails, too many open files, no permission); Stopped.
Checkpoint verify_checkpoint(const Path& folder, const std::stop_token& stop = {});

/// The path of a verified file.
/// Errors: kData when the manifest does not list the name.
Path file_of(const Checkpoint& checkpoint, std::string_view name);

/// Why a run can't continue from a checkpoint.
enum class Trouble {
  kNone,
  kDamaged,     ///< its bytes differ from what was written
  kRewritten,   ///< well formed, but another program has rewritten its model
  kUnreadable,  ///< an error of the device, which says nothing about the checkpoint
  kForbidden,   ///< the user may not read it, which says nothing about the checkpoint either
};

/// What it means for a checkpoint that a file of it could not be read.
Trouble trouble_of(const IoError& error);

/// A checkpoint, or why it can't be used.
struct CheckpointVerdict {
  std::optional<Checkpoint> checkpoint;
  Trouble trouble = Trouble::kNone;
  std::string
      reason;  ///< the end of a sentence: "is damaged (model.safetensors: its content does not match its hash)"
};

/// verify_checkpoint(), but problems of the checkpoint are results, not exceptions.
/// Errors: NewerFormatError, Stopped.
[[nodiscard]] CheckpointVerdict judge_checkpoint(const Path& folder, const std::stop_token& stop = {});

/// Hash and size of a whole file, read from the device.
/// Errors: IoError, Stopped.
ManifestFile hash_file(const Path& path, Links links = Links::kFollow, const std::stop_token& stop = {});

}  // namespace pretrain
