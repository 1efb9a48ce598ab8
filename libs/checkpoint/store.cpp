// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/store.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/hash.h"
#include "libs/base/number.h"
#include "libs/base/units.h"
#include "libs/checkpoint/linked_place.h"

namespace pretrain {
namespace {

constexpr std::string_view kTemporaryPrefix = ".tmp-";
constexpr std::string_view kRemovalPrefix = ".del-";
constexpr std::string_view kDamagedPrefix = "damaged-";
constexpr std::string_view kAbandonedName = "abandoned";
constexpr size_t kDamagedKept =
    3;  // bounds the disk space of damaged checkpoints; more would add nothing new

constexpr uint64_t kMostOfManifest = 64_MiB;  // a larger one is not ours

struct SideName {
  uint64_t step = 0;
  uint64_t number = 0;
};

/// Parses a name made by CheckpointStore::unused; empty for other names.
std::optional<SideName> parse_side_name(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  SideName parsed;
  if (const auto dash = name.find('-', name.find('-') + 1); dash != std::string_view::npos) {
    const auto number = parse_number<decltype(parsed.number)>(name.substr(dash + 1));
    if (!number) return std::nullopt;
    parsed.number = *number;
    name = name.substr(0, dash);
  }
  const auto step = checkpoint_step(name);
  if (!step) return std::nullopt;
  parsed.step = *step;
  return parsed;
}

/// Calls a function exactly once: on request, or at the end of the scope.
class OnceGuard {
 public:
  explicit OnceGuard(const std::function<void()>& call) : call_(call) {}
  ~OnceGuard() { run(); }
  OnceGuard(const OnceGuard&) = delete;
  OnceGuard& operator=(const OnceGuard&) = delete;
  void run() {
    if (!std::exchange(done_, true) && call_) call_();
  }

 private:
  const std::function<void()>& call_;
  bool done_ = false;
};

/// For clean-up after an error: its own errors are ignored, because the first error is the one to report.
template <typename Action>
void quietly(Action action) {
  try {
    action();
  } catch (const IoError&) {
  }
}

}  // namespace

StateLock lock_state_folder(FileSystem& files, const Path& state_folder) {
  make_folders(files, state_folder);
  auto folder = FolderLock::try_acquire(state_folder);
  auto file = folder ? FileLock::try_acquire(state_folder / "lock") : std::nullopt;
  if (!file) {
    throw FolderInUse(ErrorKind::kRuntime,
                      fmt::format("{} is in use by another pretrain; stop it or use another state folder",
                                  state_folder.native()));
  }
  return {.folder = std::move(*folder), .file = std::move(*file)};
}

CheckpointStore::CheckpointStore(FileSystem& files, Path state_folder, StoreOptions options)
    : files_(files),
      state_folder_(std::move(state_folder)),
      folder_(checkpoints_folder(state_folder_)),
      options_(std::move(options)) {
  PRETRAIN_CHECK(options_.keep >= 2, "keep is {}", options_.keep);
  make_folders(files_, folder_);
  place_ = identity_of(folder_);
  state_place_ = identity_of(state_folder_);
  constexpr size_t kEnough = 3;
  const auto entries = list();
  for (size_t i = 0; i < std::min(kEnough, entries.size()); ++i) note_manifest(entries[i].folder);
  remove_leftovers();
}

CheckpointVerdict CheckpointStore::judge(const Path& folder) const {
  return options_.judge ? options_.judge(folder) : judge_checkpoint(folder);
}

/// Whether this process holds the lock of what is the state folder now.
bool CheckpointStore::is_locked() const {
  const auto holds = [&](const StateLock& lock) { return lock.folder.is_of(state_folder_); };
  return !options_.lock || holds(*options_.lock) || (anew_ && holds(*anew_));
}

/// A manifest names its time, so that no other run has the same.
void CheckpointStore::note_manifest(const Path& checkpoint) {
  quietly([&] { manifests_.insert(hash128_hex(read_file(checkpoint / kManifestName, kMostOfManifest))); });
}

bool CheckpointStore::holds_own_checkpoint() const {
  return std::ranges::any_of(list(), [&](const CheckpointEntry& entry) {
    bool is_own = false;
    quietly([&] {
      is_own = manifests_.contains(hash128_hex(read_file(entry.folder / kManifestName, kMostOfManifest)));
    });
    return is_own;
  });
}

/// The locks of before stay, because their folder may come back.
void CheckpointStore::follow_folder() {
  const bool is_ours = is_locked(), was_there = folder_exists(state_folder_);
  if (is_ours && identity_of(folder_) == place_) return;
  require_linked_place(state_folder_);
  std::optional<StateLock> lock;
  if (!is_ours) lock = lock_state_folder(files_, state_folder_);
  const bool is_known = holds_own_checkpoint();
  const std::string name = (is_ours ? folder_ : state_folder_).native();
  if (!is_known && !list().empty())
    fail(ErrorKind::kRuntime, "{} was replaced by a folder with other checkpoints; move that away", name);
  if (lock) anew_ = std::move(lock);
  make_folders(files_, folder_);
  place_ = identity_of(folder_);
  const auto state_place = identity_of(state_folder_);
  is_state_folder_new_ |=
      !was_there || state_place != state_place_;  // numbers of removed folders are used again
  state_place_ = state_place;
  standings_.clear();
  if (is_known) {
    new_place_ = fmt::format(
        "{} is another folder than before, with checkpoints of this run; those saved in between are wherever that one is now",
        name);
  } else {
    new_place_ = fmt::format(
        "{} was gone (removed, moved, or its disk was unmounted) and was made anew; what was in it is wherever it is now",
        name);
  }
}

void CheckpointStore::tell_of_new_place(SaveReport& report) {
  report.new_place = std::exchange(new_place_, "");
  report.is_state_folder_new = std::exchange(is_state_folder_new_, false);
}

SaveReport CheckpointStore::save(const CheckpointContent& content,
                                 const std::function<void()>& on_sources_read) {
  OnceGuard sources_read(on_sources_read);
  follow_folder();
  remove_leftovers();
  std::optional<FailedCheckpoint> damaged;
  if (const Path there = folder_ / checkpoint_name(content.step); folder_exists(there)) {
    CheckpointVerdict verdict = judge(there);
    if (verdict.trouble == Trouble::kUnreadable || verdict.trouble == Trouble::kForbidden) {
      fail(ErrorKind::kRuntime, "the existing checkpoint of step {} {}; it stays as it is", content.step,
           verdict.reason);
    }
    if (verdict.checkpoint) {
      files_.sync_folder(folder_);  // the process that renamed it may have crashed before this
      SaveReport report;
      tell_of_new_place(report);
      return report;
    }
    damaged = {.step = content.step,
               .folder = there,
               .trouble = verdict.trouble,
               .reason = std::move(verdict.reason)};
  }
  SaveReport report = save_new(content, damaged, [&] { sources_read.run(); });
  tell_of_new_place(report);
  note_manifest(folder_ / checkpoint_name(content.step));
  try {
    note_verified({.step = content.step, .folder = folder_ / checkpoint_name(content.step)});
    if (!content.keeps_all_older) apply_retention(content.step);
  } catch (const Error& error) {
    report.cleanup_error = error.what();
  }
  return report;
}

SaveReport CheckpointStore::save_new(const CheckpointContent& content,
                                     const std::optional<FailedCheckpoint>& damaged,
                                     const std::function<void()>& on_sources_read) {
  const Path temporary = unused(folder_, kTemporaryPrefix, content.step);
  try {
    files_.make_folder(temporary);
    const Manifest manifest = write_checkpoint_folder(files_, temporary, content, on_sources_read);
    if (damaged) set_aside(*damaged);  // not before its replacement is on the device
    publish(temporary, content.step);
    SaveReport report{.bytes = manifest_text(manifest).size()};
    for (const ManifestFile& file : manifest.files) report.bytes += file.size_bytes;
    return report;
  } catch (...) {
    quietly([&] { remove_hidden(temporary); });
    throw;
  }
}

void CheckpointStore::publish(const Path& temporary, uint64_t step) {
  const Path final_name = folder_ / checkpoint_name(step);
  files_.rename(temporary, final_name);
  try {
    files_.sync_folder(folder_);
  } catch (const IoError&) {
    quietly([&] { files_.rename(final_name, temporary); });
    throw;
  }
}

std::optional<Checkpoint> CheckpointStore::newest_verified() {
  StartPoint start = find_start_point(state_folder_, [this](const Path& folder) { return judge(folder); });
  if (!start.may_continue()) {
    fail(ErrorKind::kData, "{}: {}; nothing was moved, check the disk and the memory", folder_.native(),
         describe(start.failed));
  }
  if (!start.failed.empty()) set_aside(start.failed.front());
  return std::move(start.newest);
}

void CheckpointStore::set_aside(const FailedCheckpoint& damaged) {
  FailedCheckpoint moved = damaged;
  moved.folder = unused(folder_, kDamagedPrefix, damaged.step);
  moved.set_aside = true;
  files_.rename(damaged.folder, moved.folder);
  files_.sync_folder(folder_);
  standings_.erase(damaged.step);
  if (options_.on_failed) options_.on_failed(moved);
}

std::vector<MovedCheckpoint> CheckpointStore::abandon_newer_than(uint64_t step) {
  std::vector<MovedCheckpoint> moved;
  const Path abandoned = abandoned_folder(state_folder_);
  for (const Path& folder : {abandoned, folder_ / kAbandonedName}) {
    if (folder_exists(folder)) sync_moves_to(folder);  // moves of an earlier attempt that failed or crashed
  }
  for (const CheckpointEntry& entry : list()) {
    if (entry.step <= step) break;
    make_folders(files_, abandoned);
    moved.push_back({.step = entry.step, .folder = move_to_abandoned(entry)});
    standings_.erase(entry.step);
  }
  return moved;
}

void CheckpointStore::remove_initial() {
  const auto entries = list();
  PRETRAIN_CHECK(entries.size() == 1 && entries.front().step == 0, "{} checkpoints", entries.size());
  remove_checkpoint(entries.front());
}

Path CheckpointStore::move_to_abandoned(const CheckpointEntry& entry) {
  const auto move_to = [&](const Path& abandoned) {
    Path target = unused(abandoned, "", entry.step);
    files_.rename(entry.folder, target);
    sync_moves_to(abandoned);
    return target;
  };
  try {
    return move_to(abandoned_folder(state_folder_));
  } catch (const IoError& error) {
    if (error.code() != EXDEV) throw;  // EXDEV: STATE/checkpoints is a link to another disk
  }
  const Path within = folder_ / kAbandonedName;
  make_folders(files_, within);
  return move_to(within);
}

void CheckpointStore::sync_moves_to(const Path& abandoned) {
  // Sync the new folder first: a crash in between may show a checkpoint in both folders, but never in none.
  files_.sync_folder(abandoned);
  files_.sync_folder(folder_);
}

CheckpointStore::Standing CheckpointStore::note_verified(const CheckpointEntry& entry) {
  const bool sick = options_.is_sick && options_.is_sick(entry.folder);
  return standings_[entry.step] = sick ? Standing::kSick : Standing::kHealthy;
}

CheckpointStore::Standing CheckpointStore::standing_of(const CheckpointEntry& entry) {
  const auto known = standings_.find(entry.step);
  if (known != standings_.end()) return known->second;
  CheckpointVerdict verdict = judge(entry.folder);
  if (verdict.checkpoint) return note_verified(entry);
  if (options_.on_failed) {
    options_.on_failed({.step = entry.step,
                        .folder = entry.folder,
                        .trouble = verdict.trouble,
                        .reason = std::move(verdict.reason)});
  }
  return Standing::kFailed;
}

void CheckpointStore::apply_retention(uint64_t acknowledged) {
  limit_damaged(acknowledged);
  const auto entries = list();
  if (entries.size() <= options_.keep) return;
  uint64_t healthy = 0;
  uint64_t sick = 0;
  for (const CheckpointEntry& entry : entries) {
    const Standing standing = healthy < options_.keep ? standing_of(entry) : Standing::kFailed;
    healthy += static_cast<uint64_t>(standing == Standing::kHealthy);
    sick += static_cast<uint64_t>(standing == Standing::kSick);
    const bool pushed_out = standing != Standing::kHealthy && healthy >= options_.keep;
    const bool one_sick_too_many = standing == Standing::kSick && sick > options_.keep;
    if ((pushed_out || one_sick_too_many) && entry.step < acknowledged && !is_permanent(entry.step))
      remove_checkpoint(entry);
  }
}

void CheckpointStore::limit_damaged(uint64_t acknowledged) {
  std::vector<std::pair<SideName, Path>> damaged;
  for (const FolderEntry& entry : list_folder(folder_)) {
    if (const auto name = parse_side_name(entry.name, kDamagedPrefix))
      damaged.emplace_back(*name, folder_ / entry.name);
  }
  std::ranges::sort(damaged, std::greater<>(),
                    [](const auto& d) { return std::pair(d.first.step, d.first.number); });
  for (size_t i = kDamagedKept; i < damaged.size(); ++i) {
    const uint64_t step = damaged[i].first.step;
    if (step < acknowledged && !is_permanent(step)) remove_tree(files_, damaged[i].second);
  }
}

void CheckpointStore::remove_checkpoint(const CheckpointEntry& entry) {
  const Path doomed = unused(folder_, kRemovalPrefix, entry.step);
  files_.rename(entry.folder, doomed);
  standings_.erase(entry.step);
  remove_hidden(doomed);
}

void CheckpointStore::remove_leftovers() {
  for (const FolderEntry& entry : list_folder(folder_)) {
    if (parse_side_name(entry.name, kTemporaryPrefix) || parse_side_name(entry.name, kRemovalPrefix)) {
      quietly([&] { remove_hidden(folder_ / entry.name); });
    }
  }
}

void CheckpointStore::remove_hidden(const Path& folder) {
  // It may have had a checkpoint's name, which must not come back after a crash when half of its files are
  // gone.
  files_.sync_folder(folder_);
  remove_tree(files_, folder);
}

bool CheckpointStore::is_permanent(uint64_t step) const {
  return step > 0 && options_.keep_every > 0 && step % options_.keep_every == 0;
}

Path CheckpointStore::unused(const Path& parent, std::string_view prefix, uint64_t step) const {
  const std::string name = fmt::format("{}{}", prefix, checkpoint_name(step));
  Path path = parent / name;
  for (uint64_t number = 2; file_exists(path) || folder_exists(path); ++number)
    path = parent / fmt::format("{}-{}", name, number);
  return path;
}

Path abandoned_folder(const Path& state_folder) {
  return state_folder / kAbandonedName;
}

bool holds_former_checkpoints(const Path& state_folder) {
  const auto holds = [](const Path& folder, std::string_view prefix) {
    if (!folder_exists(folder)) return false;
    return std::ranges::any_of(list_folder(folder), [&](const FolderEntry& entry) {
      return entry.is_folder && parse_side_name(entry.name, prefix);
    });
  };
  const Path checkpoints = checkpoints_folder(state_folder);
  return holds(checkpoints, kDamagedPrefix) || holds(abandoned_folder(state_folder), "") ||
         holds(checkpoints / kAbandonedName, "");
}

}  // namespace pretrain
