// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs saves against a checkpoint store and, before each of its calls and between them, checks each state in
// which a crash could leave the device: a new store must find the last acknowledged checkpoint or the newer
// one in flight, with the right bytes, hold as many good ones as were promised, and save again.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libs/checkpoint/store.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {

/// What a start after a crash must find.
struct Promise {
  std::set<uint64_t> newest;        ///< one of these, once anything was acknowledged
  bool may_be_none = true;          ///< nothing was acknowledged yet
  size_t verified_at_least = 0;     ///< of all checkpoints
  std::set<uint64_t> damaged = {};  ///< steps that may be found damaged: no crash damages any other
};

class CrashStates {
 public:
  /// Puts another file system between the store and the device: one with a planted fault.
  using Wrap = std::function<std::unique_ptr<FileSystem>(FileSystem&)>;

  struct LossModel {
    Loss loss;
    uint64_t seeds;  ///< how many of its outcomes are looked at
    const char* name;
  };

  explicit CrashStates(StoreOptions options, const Wrap& wrap = {});

  // The scenario. Each checks all crash states on its way.
  bool open();
  /// A failure is part of the scenario. Returns whether it succeeded.
  bool save(uint64_t step);
  bool save_with_fault(uint64_t step, const Fault& fault);
  /// The process dies right before the n-th of these calls, counted from 1. Returns whether it came to that.
  /// Requires: one that is made while no file is open.
  bool die_in_a_save(uint64_t step, Operation operation, uint64_t nth);
  /// A failure is part of the scenario. Returns whether it succeeded.
  bool abandon_newer_than(uint64_t step);
  /// Damages the checkpoint on the device.
  void damage(uint64_t step);

  FaultyFileSystem& calls() { return calls_; }
  const Path& state() const { return state_; }
  const Promise& promise() const { return promise_; }
  /// States checked; of those, the ones that differ from all before.
  uint64_t states() const { return states_; }
  uint64_t different_states() const { return checked_.size(); }
  /// One line each, at most a few.
  const std::vector<std::string>& violations() const { return violations_; }
  uint64_t violation_count() const { return violation_count_; }

 private:
  void check_all();
  void die_if_due(const Call& call);
  void check(const LossModel& model, uint64_t seed);
  void acknowledge(uint64_t step);

  const StoreOptions options_;
  TempFolder device_folder_{memory_folder()};
  TempFolder restart_folder_{memory_folder()};
  Path state_;  // on the device
  FaultyFileSystem calls_;
  CrashFileSystem device_;
  std::unique_ptr<FileSystem> wrapped_;
  std::unique_ptr<CheckpointStore> store_;

  std::optional<Operation> dies_before_;
  uint64_t calls_to_live_ = 0;
  bool dead_ = false;

  std::set<uint64_t> acknowledged_;
  Promise promise_;
  uint64_t states_ = 0;
  std::set<std::string> checked_;  // hashes
  uint64_t violation_count_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace pretrain::test
