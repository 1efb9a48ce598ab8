// SPDX-License-Identifier: Apache-2.0
#pragma once
// One random life of a state folder: saves, failing calls, crashes, damage, abandoning and restarts.
// Compared with StoreModel after each.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/rng.h"
#include "libs/checkpoint/store.h"
#include "tests/recovery/planted_faults.h"
#include "tests/recovery/store_model.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {

/// Sums over many sequences.
struct SequenceCounts {
  uint64_t sequences = 0;
  uint64_t acknowledged = 0;
  uint64_t failed = 0;   ///< operations that ended with an error
  uint64_t crashes = 0;  ///< of the machine or the process
  uint64_t damaged = 0;
  uint64_t abandonings = 0;
  uint64_t unreadable = 0;           ///< checkpoints that the device did not give for a while
  uint64_t sick = 0;                 ///< saves of a run in trouble
  uint64_t refused = 0;              ///< starts
  uint64_t most_bytes_permille = 0;  ///< the largest disk use, as a share of its bound
};

class StoreSequence {
 public:
  /// A store with a mistake, to see that the model notices.
  enum class Plant {
    kNone,
    kForgetsPermanents,
    kSkipsFolderSyncs,
    kCountsTheSick,         ///< for `keep`
    kTakesErrorsForDamage,  ///< those of the device
    kSetsAllAside,          ///< that fail at a start
  };

  StoreSequence(uint64_t seed, SequenceCounts& counts, Plant plant = Plant::kNone);

  /// Empty when all held, else what did not and what had happened before.
  std::string run(int events);

 private:
  void act();
  void save();
  void abandon();
  void damage();
  /// The device does not give some checkpoints until the next event is over.
  void hide_some();
  /// Closes the store, perhaps by a crash.
  void stop(bool crash);
  void start();
  /// Opens the store on what is there and checks what it makes of it. False: it was refused, as it had to be.
  bool try_start();
  /// The user repairs the disk, goes back to the newest good checkpoint, or starts over.
  void help();
  /// What a store would do that takes everything that fails out of the way.
  void set_all_aside();
  StoreOptions planted_options();
  CheckpointVerdict look_at(const Path& folder) const;
  std::set<uint64_t> failing() const;
  void check_damaged_are_kept();
  void set_random_fault(uint64_t calls, bool lasting);
  /// Clears the fault. A process that died of it is started again.
  void end_fault();
  void check();
  void check_disk();
  void expect(bool holds, const std::string& claim);
  std::set<uint64_t> steps() const;
  /// Whether `name`, or that with a number, is in the folder.
  bool has_name(const std::string& name) const;

  Rng rng_;
  SequenceCounts& counts_;
  const StoreOptions options_;  // of the model
  const Plant plant_;
  TempFolder folder_{memory_folder()};
  Path state_;
  FaultyFileSystem calls_;
  CrashFileSystem device_;
  WithoutFolderSync careless_device_{device_};
  std::unique_ptr<CheckpointStore> store_;
  StoreModel model_;
  std::set<uint64_t> unreadable_;  // steps that the device does not give now
  std::set<uint64_t> kept_;  // damaged steps that nothing newer was acknowledged since, and permanent ones
  uint64_t step_ = 0;
  uint64_t checkpoint_bytes_ = 0;  // the largest
  uint64_t disturbed_ = 0;         // saves since the last one that nothing disturbed
  bool clean_ = false;             // the last event was a save without any trouble
  bool dying_ = false;             // the fault that is set lasts until the process ends
  std::vector<std::string> events_;
  std::string violation_;
};

}  // namespace pretrain::test
