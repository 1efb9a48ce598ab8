// SPDX-License-Identifier: Apache-2.0
#include "tests/recovery/crash_states.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/ranges.h>

#include "libs/base/hash.h"
#include "tests/libs/checkpoint/sample.h"

namespace pretrain::test {
namespace {

constexpr const char* kStateName = "state";
constexpr size_t kWeights = 1200;  // their file covers more than one sector of 4096 bytes
constexpr uint64_t kNextStep = 1000;
constexpr size_t kViolationsKept = 5;

constexpr std::array kLossModels{
    CrashStates::LossModel{Loss::kNothing, 1, "nothing lost"},
    CrashStates::LossModel{Loss::kUnsynced, 1, "all unsynced lost"},
    CrashStates::LossModel{Loss::kRandomSubset, 24, "subset"},
    CrashStates::LossModel{Loss::kTorn512, 8, "torn at 512"},
    CrashStates::LossModel{Loss::kTorn4096, 8, "torn at 4096"},
    CrashStates::LossModel{Loss::kRenamedFirst, 8, "renamed first"},
};

/// Ends whatever a dead process was about to do.
struct Death {};

std::string fingerprint(const Image& image, const Promise& promise) {
  Hasher128 hasher;
  for (const auto& [name, content] : image) {
    hasher.update(fmt::format("{}\n{}\n", name, content ? content->size() : SIZE_MAX));
    hasher.update(content.value_or(""));
  }
  hasher.update(fmt::format("{} {} {} {}", promise.newest, promise.may_be_none, promise.verified_at_least,
                            promise.damaged));
  return hasher.hex();
}

/// Counts the good ones; nothing when one of them holds wrong bytes.
std::optional<size_t> count_good(const Path& state) {
  size_t good = 0;
  for (const CheckpointEntry& entry : list_checkpoints(state)) {
    const CheckpointVerdict verdict = judge_checkpoint(entry.folder);
    if (!verdict.checkpoint) continue;
    if (!holds_sample(*verdict.checkpoint, kWeights)) return std::nullopt;
    ++good;
  }
  return good;
}

std::string violation_at_start(const std::optional<Checkpoint>& newest, const Promise& promise) {
  if (!newest) return promise.may_be_none ? "" : "no checkpoint is found";
  if (!promise.newest.contains(newest->step)) return fmt::format("step {} is loaded", newest->step);
  return holds_sample(*newest, kWeights) ? "" : fmt::format("step {} has wrong bytes", newest->step);
}

std::string violation_after_save(CheckpointStore& store, const Path& state) {
  store.save(Sample(kNextStep, kWeights).content());
  const auto newest = store.newest_verified();
  if (!newest || newest->step != kNextStep || !holds_sample(*newest, kWeights)) {
    return "the next save is not there";
  }
  for (const std::string& name : names_in(checkpoints_folder(state))) {
    if (!checkpoint_step(name) && !name.starts_with("damaged-")) return name + " is left over";
  }
  return "";
}

/// Whether it ended without an I/O error.
template <typename Action>
bool attempt(Action action) {
  try {
    action();
    return true;
  } catch (const IoError&) {
    return false;
  }
}

/// What is wrong with a start from this state folder; empty when nothing is.
std::string violation_in(const Path& state, StoreOptions options, const Promise& promise) {
  const auto good = count_good(state);
  if (!good) return "a checkpoint with wrong bytes verifies";
  if (*good < promise.verified_at_least) {
    return fmt::format("{} good checkpoints of {}", *good, promise.verified_at_least);
  }
  std::string found;
  options.on_failed = [&](const FailedCheckpoint& failed) {
    if (!promise.damaged.contains(failed.step))
      found = fmt::format("step {}: {}", failed.step, failed.reason);
  };
  FaultyFileSystem files;  // without a fault: it spares the syncs
  CheckpointStore store(files, state, options);
  const std::string wrong = violation_at_start(store.newest_verified(), promise);
  if (!wrong.empty()) return wrong;
  if (!found.empty()) return found;
  return violation_after_save(store, state);
}

}  // namespace

CrashStates::CrashStates(StoreOptions options, const Wrap& wrap)
    : options_(std::move(options)),
      state_(device_folder_ / kStateName),
      device_(calls_, device_folder_.path()),
      wrapped_(wrap ? wrap(device_) : nullptr) {
  calls_.set_observer([this](const Call& call) {
    check_all();
    die_if_due(call);
  });
}

bool CrashStates::open() {
  const bool opened = attempt([&] {
    store_ = std::make_unique<CheckpointStore>(wrapped_ ? *wrapped_ : device_, state_, options_);
    store_->newest_verified();
  });
  check_all();
  return opened;
}

bool CrashStates::save(uint64_t step) {
  promise_.newest.insert(step);  // should it fail, it may be there or not until another one is acknowledged
  const Sample sample(step, kWeights);
  const bool saved = attempt([&] {
    store_->save(sample.content());
    acknowledge(step);
  });
  check_all();
  return saved;
}

bool CrashStates::save_with_fault(uint64_t step, const Fault& fault) {
  calls_.set_fault(fault);
  const bool saved = save(step);
  calls_.clear_fault();
  return saved;
}

bool CrashStates::die_in_a_save(uint64_t step, Operation operation, uint64_t nth) {
  dies_before_ = operation;
  calls_to_live_ = nth;
  try {
    save(step);
  } catch (const Death&) {
    store_.reset();
  }
  dies_before_.reset();
  return std::exchange(dead_, false);
}

/// The dead make no calls, whatever their clean-up tries.
void CrashStates::die_if_due(const Call& call) {
  if (dies_before_ == call.operation && --calls_to_live_ == 0) dead_ = true;
  if (dead_) throw Death();
}

bool CrashStates::abandon_newer_than(uint64_t step) {
  promise_.newest.insert(acknowledged_.lower_bound(step), acknowledged_.end());
  const auto kept_end = acknowledged_.upper_bound(step);
  promise_.verified_at_least = std::min<size_t>(2, std::distance(acknowledged_.begin(), kept_end));
  const bool abandoned = attempt([&] { store_->abandon_newer_than(step); });
  if (abandoned) {
    acknowledged_.erase(kept_end, acknowledged_.end());
    promise_.newest = {*acknowledged_.rbegin()};
  }
  check_all();
  return abandoned;
}

void CrashStates::damage(uint64_t step) {
  flip_bit(checkpoints_folder(state_) / checkpoint_name(step) / "model.safetensors", 1000, 3);
  device_.adopt();
  acknowledged_.erase(step);
  promise_.damaged.insert(step);
  promise_.newest = {*acknowledged_.rbegin()};
  promise_.verified_at_least = std::min<size_t>(2, acknowledged_.size());
  check_all();
}

void CrashStates::acknowledge(uint64_t step) {
  acknowledged_.insert(step);
  promise_.newest = {*acknowledged_.rbegin()};
  promise_.may_be_none = false;
  promise_.verified_at_least = std::min<size_t>(2, acknowledged_.size());
}

void CrashStates::check_all() {
  for (const LossModel& model : kLossModels) {
    for (uint64_t seed = 0; seed < model.seeds; ++seed) check(model, derive_seed(calls_.call_count(), seed));
  }
}

void CrashStates::check(const LossModel& model, uint64_t seed) {
  ++states_;
  const Image image = device_.after_crash(model.loss, seed);
  if (!checked_.insert(fingerprint(image, promise_)).second) return;
  write_image(image, restart_folder_.path());
  std::string violation;
  try {
    violation = violation_in(restart_folder_ / kStateName, options_, promise_);
  } catch (const Error& error) {
    violation = error.what();
  }
  if (violation.empty()) return;
  if (++violation_count_ > kViolationsKept) return;
  const Call last = calls_.calls().back();
  violations_.push_back(fmt::format("crash at call {} ({}), {}, seed {}: {}", last.number,
                                    last.path.filename().native(), model.name, seed, violation));
}

}  // namespace pretrain::test
