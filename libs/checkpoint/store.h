// SPDX-License-Identifier: Apache-2.0
#pragma once
// The checkpoints of one run. A crash at any instant leaves the last acknowledged checkpoint in place. All of
// them are in STATE/checkpoints:
//   step-000001200/          a checkpoint; complete and verified before it gets this name
//   .tmp-step-...-n/         being written; removed at the next open or save
//   .del-step-...-n/         being removed; removal is finished at the next open or save
//   damaged-step-...[-n]/    set aside
//   abandoned/               only if STATE/abandoned is on another device
// STATE/abandoned holds the checkpoints that `abandon_newer_than` has moved.
//
//   CheckpointStore store(files, state, {.keep = 3});
//   const auto newest = store.newest_verified();   // to continue from
//   store.save(content, on_sources_read);          // removes older checkpoints once this one is safe
//
// Rules for removing and moving checkpoints:
//   1. Only an acknowledged save removes checkpoints, and only older ones: those that are neither permanent nor
//      among the `keep` newest healthy ones, and all but the three newest of those set aside.
//   2. A healthy checkpoint was read back byte by byte and is not sick (StoreOptions::is_sick). So neither a
//      damaged checkpoint nor one of a run in trouble displaces a good one. At most `keep` sick ones are kept.
//   3. The program never removes permanent checkpoints (`keep_every`), also when they were set aside, or
//      abandoned ones.
//   4. A checkpoint is only set aside when damage is proven: wrong bytes or a missing file. An error of the
//      device or missing rights of this process (EIO, ESTALE, EMFILE, EACCES ...) prove nothing and move
//      nothing. A checkpoint that another program has rewritten is not damaged. A checkpoint that verifies but
//      can't be loaded (CheckpointJudge) is.
//   5. A start sets at most one checkpoint aside. When two or more fail, or none verifies, it moves nothing and
//      is refused, because so many failures have a cause outside of the checkpoints.
//   6. Newer checkpoints are abandoned only when the user goes back to a step, after the rest of the request was
//      checked.
//   7. If the folder of checkpoints is another one than at the save before (removed, moved, or its disk was unmounted),
//      saves continue in it if it is empty or absent, or has a checkpoint of this run, and this is reported. They fail if
//      another run has taken its place, or if it is a link to a place that is gone. A state folder that is made anew is
//      locked.
//   8. A new run with another configuration may replace the checkpoint of step 0 if no step was trained from it.
// The model-based sequence test in tests/recovery checks the store against these rules.
// Single-owner; while a CheckpointWriter is busy with it, only the writer may use it.
// Requires: this process holds the lock of the state folder (lock_state_folder).

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/file.h"
#include "libs/base/file_identity.h"
#include "libs/base/folder_lock.h"
#include "libs/checkpoint/folder_writer.h"
#include "libs/checkpoint/start_point.h"

namespace pretrain {

/// Both locks of a state folder. The lock on the folder itself can't be deleted while it is held; the file
/// `lock` keeps out older versions, which only know that.
struct StateLock {
  FolderLock folder;
  FileLock file;
};

/// Another process holds the lock of a state folder.
class FolderInUse : public Error {
 public:
  using Error::Error;
};

/// Creates the folder if it is absent and locks it. The kernel releases the lock when the process ends.
/// Errors: FolderInUse.
[[nodiscard]] StateLock lock_state_folder(FileSystem& files, const Path& state_folder);

struct StoreOptions {
  uint64_t keep = 3;        ///< newest healthy checkpoints to keep; at least 2
  uint64_t keep_every = 0;  ///< checkpoints of steps divisible by this are permanent, except step 0; 0: none
  FailureReport on_failed = {};  ///< called when a checkpoint was set aside or does not count for `keep`
  /// Whether a verified checkpoint is of a run in trouble. If absent: never.
  std::function<bool(const Path& folder)> is_sick = {};
  /// If absent: judge_checkpoint.
  CheckpointJudge judge = {};
  /// This process's lock of the state folder, which must outlive the store. If absent, a folder that another run has
  /// put in the place of a moved one is not noticed.
  const StateLock* lock = nullptr;
};

struct SaveReport {
  uint64_t bytes = 0;  ///< on disk; 0 if the checkpoint already existed
  std::string cleanup_error =
      {};  ///< the checkpoint is saved, but removing an older one failed with this error
  /// For the user: how the folder of checkpoints is another one than before; empty if it is the same.
  std::string new_place = {};
  bool is_state_folder_new = false;  ///< then the other files of the run are elsewhere, too
};

/// A checkpoint that was abandoned.
struct MovedCheckpoint {
  uint64_t step = 0;
  Path folder;  ///< where it is now
};

class CheckpointStore {
 public:
  /// Creates the folder, and removes checkpoints that crashed runs left half-written or half-removed. Errors
  /// of that removal are ignored.
  CheckpointStore(FileSystem& files, Path state_folder, StoreOptions options);

  /// Returns once the checkpoint is on the device, verified and has its name; then removes older ones. If an
  /// intact checkpoint of the step exists, it is left unchanged. `on_sources_read` is called exactly once,
  /// whether or not the save succeeds, as soon as the tensors' memory may change; it must not throw.
  /// Errors: as write_checkpoint_folder, and kRuntime when the step is there but can't be read, or when the folder
  /// was replaced by that of another run; then nothing
  /// of the attempt remains (as far as the disk allows), and the checkpoints from before are untouched.
  SaveReport save(const CheckpointContent& content, const std::function<void()>& on_sources_read = {});

  /// Newest first, not verified.
  std::vector<CheckpointEntry> list() const { return list_checkpoints(state_folder_); }

  /// The newest intact checkpoint. Sets aside and reports a newer, damaged one.
  /// Errors: kData by rule 5, with nothing moved; NewerFormatError; IoError.
  std::optional<Checkpoint> newest_verified();

  /// Renames a damaged checkpoint and reports it.
  /// Requires: it is damaged, or is replaced.
  void set_aside(const FailedCheckpoint& damaged);

  /// Removes the checkpoint of step 0, so that a new run can replace it.
  /// Requires: nothing was trained from it, and it is the only one.
  /// Errors: IoError.
  void remove_initial();

  /// Durably moves newer checkpoints, intact or not, to STATE/abandoned, newest first, so that a crash in
  /// between leaves no gap. Returns their new places.
  /// Errors: IoError; those that were moved stay moved.
  std::vector<MovedCheckpoint> abandon_newer_than(uint64_t step);

 private:
  enum class Standing { kHealthy, kSick, kFailed };

  CheckpointVerdict judge(const Path& folder) const;
  bool is_locked() const;
  void note_manifest(const Path& checkpoint);
  bool holds_own_checkpoint() const;
  void follow_folder();
  void tell_of_new_place(SaveReport& report);
  SaveReport save_new(const CheckpointContent& content, const std::optional<FailedCheckpoint>& damaged,
                      const std::function<void()>& on_sources_read);
  /// Renames the written folder durably, or undoes the rename.
  void publish(const Path& temporary, uint64_t step);
  /// Moves to STATE/abandoned, or into the checkpoints folder if STATE/abandoned is on another device.
  Path move_to_abandoned(const CheckpointEntry& entry);
  void sync_moves_to(const Path& abandoned);
  Standing note_verified(const CheckpointEntry& entry);
  Standing standing_of(const CheckpointEntry& entry);
  void apply_retention(uint64_t acknowledged);
  void limit_damaged(uint64_t acknowledged);
  void remove_checkpoint(const CheckpointEntry& entry);
  /// Finishes interrupted operations. Ignores errors: the operation that follows reports them.
  void remove_leftovers();
  void remove_hidden(const Path& folder);
  bool is_permanent(uint64_t step) const;
  /// An unused name in `parent`: prefix, step name, and a number if needed.
  Path unused(const Path& parent, std::string_view prefix, uint64_t step) const;

  FileSystem& files_;
  const Path state_folder_;
  const Path folder_;  // STATE/checkpoints
  const StoreOptions options_;
  std::optional<StateLock> anew_;                    // of a state folder that was made anew
  std::optional<FileIdentity> place_, state_place_;  // of folder_ and state_folder_
  std::string new_place_;                            // not yet reported
  bool is_state_folder_new_ = false;                 // likewise
  std::set<std::string> manifests_;                  // hashes of those of some checkpoints of this run
  std::map<uint64_t, Standing> standings_;  // of steps whose every byte was read back by this process
};

/// The folder into which `abandon_newer_than` moves checkpoints.
Path abandoned_folder(const Path& state_folder);
/// Whether the state folder holds former checkpoints: set aside or abandoned.
bool holds_former_checkpoints(const Path& state_folder);

}  // namespace pretrain
