#pragma once
// Reading checkpoints without changing anything on disk and without a lock: which there are, whether one is
// intact. STATE/checkpoints holds one folder `step-<9 digits or more>` for each checkpoint; other names are
// not ours. Thread-safe: no state.

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

/// A folder that has a checkpoint's name; what it holds was not looked at.
struct CheckpointEntry {
  uint64_t step = 0;
  Path folder;
};

/// A checkpoint of which every file that a run continues from was read and fitted its hash.
struct Checkpoint {
  uint64_t step = 0;
  Path folder;
  Manifest manifest = {};
  /// What is odd about files that only other programs read (tokenizer.json, for instance, which Hugging
  /// Face's save_pretrained writes anew): "tokenizer.json has 8702 bytes instead of 7070". The next
  /// checkpoint has them right.
  std::vector<std::string> changed = {};
};

/// "step-000001200".
std::string checkpoint_name(uint64_t step);
/// The step that `checkpoint_name` made this name from, or nothing.
std::optional<uint64_t> checkpoint_step(std::string_view name);

Path checkpoints_folder(const Path& state_folder);

/// Newest first. Nothing when the folder does not exist.
std::vector<CheckpointEntry> list_checkpoints(const Path& state_folder);

/// Reads every file (from the device, not the page cache, as far as the kernel allows) and checks it against
/// the manifest; files that the manifest does not list are ignored, and links are damage.
/// Errors: kData, one line naming the file and what is wrong; NewerFormatError; IoError (which tells nothing
/// about the checkpoint: the device fails, too many open files, no permission); Stopped.
Checkpoint verify_checkpoint(const Path& folder, const std::stop_token& stop = {});

/// The path of a file that the manifest lists, and that was verified with it.
/// Errors: kData when it does not list the name.
Path file_of(const Checkpoint& checkpoint, std::string_view name);

/// Why a checkpoint can't be continued from.
enum class Trouble {
  kNone,
  kDamaged,     ///< its bytes are not those that were written
  kRewritten,   ///< well formed, but another program wrote its model anew
  kUnreadable,  ///< an error of the device or of this process's rights: says nothing about the checkpoint
};

/// A checkpoint, or why it is none.
struct CheckpointVerdict {
  std::optional<Checkpoint> checkpoint;
  Trouble trouble = Trouble::kNone;
  std::string
      reason;  ///< the end of a sentence: "is damaged (model.safetensors: its content does not fit its hash)"
};

/// verify_checkpoint with every trouble as an expected outcome.
/// Errors: NewerFormatError, Stopped.
[[nodiscard]] CheckpointVerdict judge_checkpoint(const Path& folder, const std::stop_token& stop = {});

/// Hash of a whole file as the device holds it, and its size.
/// Errors: IoError, Stopped.
ManifestFile hash_file(const Path& path, Links links = Links::kFollow, const std::stop_token& stop = {});

}  // namespace pretrain
