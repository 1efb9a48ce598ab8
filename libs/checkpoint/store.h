#pragma once
// The checkpoints of one run: saved so that a crash at any instant leaves the last acknowledged one in place.
// Everything lies in STATE/checkpoints:
//   step-000001200/          a checkpoint; complete and verified before it got this name
//   .tmp-step-...-n/         being written; removed at the next open or save
//   .del-step-...-n/         being removed; finished at the next open or save
//   damaged-step-...[-n]/    set aside
//   abandoned/               only where STATE/abandoned lies on another device
// STATE/abandoned holds what `abandon_newer_than` moved away.
//
// Who may remove, move or bury a checkpoint:
//   1. Only an acknowledged save removes, and only what is older than itself: checkpoints that are older than
//      the `keep` newest healthy ones and are not permanent, and all but the three newest of those set aside.
//   2. What counts as healthy was read back byte by byte and is not sick (StoreOptions::is_sick): neither a
//      damaged checkpoint nor one of a run in trouble pushes out a good one. At most `keep` sick ones stay.
//   3. Permanent checkpoints (`keep_every`), permanent ones that were set aside, and what was abandoned are
//      never removed by the program.
//   4. Only damage that is proven sets a checkpoint aside: bytes that were read and are wrong, or a missing
//      file. An error of the device or of this process's rights (EIO, ESTALE, EMFILE, EACCES ...) proves
//      nothing and moves nothing; nor is a checkpoint damaged that another program wrote anew. One that
//      verifies but can't be loaded (CheckpointJudge) counts as damaged.
//   5. A start sets one checkpoint aside at most. When two or more fail at once, or none verifies, nothing is
//      moved and the start is refused: so much at once has a cause outside of them.
//   6. Newer ones are abandoned when a user goes back to a step, after everything else of the request was
//      found valid, and nothing else moves them.
//   7. The checkpoint of step 0 that nothing was trained from gives way to a new run with another
//      configuration.
// The model-based sequence test in tests/recovery holds the store to this.
// Single-owner; while a CheckpointWriter is busy with it, only the writer may use it.
// Requires: this process holds the lock of the state folder (lock_state_folder).

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/file.h"
#include "libs/base/folder_lock.h"
#include "libs/checkpoint/folder_writer.h"
#include "libs/checkpoint/start_point.h"

namespace pretrain {

/// Both locks of a state folder. The folder's own can't be deleted under its holder; the file `lock` shuts
/// out versions that know nothing else.
struct StateLock {
  FolderLock folder;
  FileLock file;
};

/// Creates the folder when absent and takes its lock; the lock ends with the process, however it ends.
/// Errors: kRuntime when another process holds it.
[[nodiscard]] StateLock lock_state_folder(FileSystem& files, const Path& state_folder);

struct StoreOptions {
  uint64_t keep = 3;             ///< newest healthy checkpoints that stay; at least 2
  uint64_t keep_every = 0;       ///< steps divisible by it, but not 0, stay for good; 0: none
  FailureReport on_failed = {};  ///< called when one was set aside or does not count for `keep`
  /// Whether the state in a verified checkpoint is that of a run in trouble. Absent: never.
  std::function<bool(const Path& folder)> is_sick = {};
  /// Absent: judge_checkpoint.
  CheckpointJudge judge = {};
};

struct SaveReport {
  uint64_t bytes = 0;  ///< on disk; 0 when the step was there already
  std::string cleanup_error =
      {};  ///< the checkpoint is safe, but removing an older one failed for this reason
};

/// A checkpoint that was abandoned.
struct MovedCheckpoint {
  uint64_t step = 0;
  Path folder;  ///< where it is now
};

class CheckpointStore {
 public:
  /// Creates the folder and removes what dead runs left half-written or half-removed, as far as the disk
  /// allows.
  CheckpointStore(FileSystem& files, Path state_folder, StoreOptions options);

  /// Returns once the checkpoint is on the device, verified and has its name; older ones are removed last.
  /// A step that is there and verifies is left as it is. `on_sources_read` is called exactly once, whether or
  /// not the save succeeds, as soon as the tensors' memory may change; it must not throw.
  /// Errors: as write_checkpoint_folder, and kRuntime when the step is there but can't be read; then nothing
  /// of the attempt remains (as far as the disk allows), and the checkpoints from before are untouched.
  SaveReport save(const CheckpointContent& content, const std::function<void()>& on_sources_read = {});

  /// Newest first, not verified.
  std::vector<CheckpointEntry> list() const { return list_checkpoints(state_folder_); }

  /// The newest checkpoint that verifies; a damaged one that is newer is set aside and reported.
  /// Errors: kData by rule 5, with nothing moved; NewerFormatError; IoError.
  std::optional<Checkpoint> newest_verified();

  /// Gives a damaged checkpoint another name and reports it.
  /// Requires: it is damaged, or is replaced.
  void set_aside(const FailedCheckpoint& damaged);

  /// Removes the checkpoint of step 0, so that a new run can have its place.
  /// Requires: nothing was trained from it, and it is the only one.
  /// Errors: IoError.
  void remove_initial();

  /// Moves newer checkpoints, whatever their state, durably to STATE/abandoned, newest first, so that a crash
  /// midway leaves no gap. Returns where they are now.
  /// Errors: IoError; those that were moved stay moved.
  std::vector<MovedCheckpoint> abandon_newer_than(uint64_t step);

 private:
  enum class Standing { kHealthy, kSick, kFailed };

  CheckpointVerdict judge(const Path& folder) const;
  SaveReport save_new(const CheckpointContent& content, const std::optional<FailedCheckpoint>& damaged,
                      const std::function<void()>& on_sources_read);
  /// Gives the written folder its name and makes that durable, or takes the name back.
  void publish(const Path& temporary, uint64_t step);
  /// Moves to STATE/abandoned, or into the folder of checkpoints where that is another device.
  Path move_to_abandoned(const CheckpointEntry& entry);
  void sync_moves_to(const Path& abandoned);
  Standing note_verified(const CheckpointEntry& entry);
  Standing standing_of(const CheckpointEntry& entry);
  void apply_retention(uint64_t acknowledged);
  void limit_damaged(uint64_t acknowledged);
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
  std::map<uint64_t, Standing> standings_;  // of steps whose every byte was read back by this process
};

/// Where `abandon_newer_than` moves to.
Path abandoned_folder(const Path& state_folder);
/// Whether STATE/checkpoints or STATE/abandoned holds what once was a checkpoint in it, set aside or
/// abandoned.
bool holds_former_checkpoints(const Path& state_folder);

}  // namespace pretrain
