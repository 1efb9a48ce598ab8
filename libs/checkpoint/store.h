#pragma once
// The checkpoints of one run: saved so that a crash at any instant leaves the last acknowledged one in place,
// set aside when damaged, removed by age. Everything lies in STATE/checkpoints:
//   step-000001200/          a checkpoint; complete and verified before it got this name
//   .tmp-step-...-n/         being written; removed at the next open or save
//   .del-step-...-n/         being removed; finished at the next open or save
//   damaged-step-...[-n]/    failed its verification; the three newest steps are kept for a look, older ones
//   removed
// STATE/abandoned holds what `abandon_newer_than` moved away; it is never removed by the program.
// Single-owner; while a CheckpointWriter is busy with it, only the writer may use it.
// Requires: this process holds the lock of the state folder (lock_state_folder).

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/file.h"
#include "libs/checkpoint/folder_writer.h"
#include "libs/checkpoint/verify.h"

namespace pretrain {

/// Creates the folder when absent and takes its lock; the lock ends with the process, however it ends.
/// Errors: kRuntime when another process holds it.
[[nodiscard]] FileLock lock_state_folder(FileSystem& files, const Path& state_folder);

struct StoreOptions {
  uint64_t keep = 3;             ///< newest verified checkpoints that stay. Requires: >= 2
  uint64_t keep_every = 0;       ///< steps divisible by it, but not 0, stay for good; 0: none
  DamageReport on_damaged = {};  ///< called after a damaged checkpoint was set aside
};

struct SaveReport {
  uint64_t bytes = 0;  ///< on disk; 0 when the step was there already
  std::string cleanup_error =
      {};  ///< the checkpoint is safe, but removing an older one failed for this reason
};

class CheckpointStore {
 public:
  /// Creates the folder and removes what dead runs left half-written or half-removed, as far as the disk
  /// allows.
  CheckpointStore(FileSystem& files, Path state_folder, StoreOptions options);

  /// Returns once the checkpoint is on the device, verified and has its name; older ones are removed last.
  /// A step that is there and verifies is left as it is. `on_sources_read` is called exactly once, whether or
  /// not the save succeeds, as soon as the tensors' memory may change; it must not throw. Errors: as
  /// write_checkpoint_folder; then nothing of the attempt remains (as far as the disk allows), and the
  /// checkpoints from before are untouched.
  SaveReport save(const CheckpointContent& content, const std::function<void()>& on_sources_read = {});

  /// Newest first, not verified.
  std::vector<CheckpointEntry> list() const { return list_checkpoints(state_folder_); }

  /// The newest checkpoint whose every file verifies; damaged ones that are newer are set aside and reported.
  /// Errors: NewerFormatError, IoError.
  std::optional<Checkpoint> newest_verified();

  /// The checkpoint of this step. Errors: kData when there is none (naming those there are) or it is damaged.
  Checkpoint verified(uint64_t step) const;

  /// Moves newer checkpoints durably to STATE/abandoned, newest first, so that a crash midway leaves no gap.
  void abandon_newer_than(uint64_t step);

 private:
  SaveReport save_new(const CheckpointContent& content, const std::function<void()>& on_sources_read);
  /// True when the step is there and intact; a damaged one is set aside.
  bool holds_intact(uint64_t step);
  /// Gives the written folder its name and makes that durable, or takes the name back.
  void publish(const Path& temporary, uint64_t step);
  void sync_moves_to(const Path& abandoned);
  void set_aside(const CheckpointEntry& entry, const std::string& reason);
  void limit_damaged();
  bool is_verified(const CheckpointEntry& entry);
  void apply_retention();
  void remove_checkpoint(const CheckpointEntry& entry);
  /// Finishes what an earlier attempt left; errors are left to the operation that follows.
  void remove_leftovers();
  void remove_hidden(const Path& folder);
  bool is_permanent(uint64_t step) const;
  /// A name in `parent` that is not taken: prefix, step name, and a number where needed.
  Path unused(const Path& parent, std::string_view prefix, uint64_t step) const;

  FileSystem& files_;
  const Path state_folder_;
  const Path folder_;  // STATE/checkpoints
  const StoreOptions options_;
  std::set<uint64_t> verified_;  // steps whose every byte was read back by this process
};

}  // namespace pretrain
