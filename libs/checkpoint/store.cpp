#include "libs/checkpoint/store.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/ranges.h>

#include "libs/base/check.h"

namespace pretrain {
namespace {

constexpr std::string_view kTemporaryPrefix = ".tmp-";
constexpr std::string_view kRemovalPrefix = ".del-";
constexpr std::string_view kDamagedPrefix = "damaged-";
constexpr size_t kDamagedKept = 3;  // bounds the disk that damage can take; more than that says nothing new

struct SideName {
  uint64_t step = 0;
  uint64_t number = 0;
};

/// Takes apart what CheckpointStore::unused put together; nothing for names that are not ours.
std::optional<SideName> parse_side_name(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  SideName parsed;
  if (const auto dash = name.find('-', name.find('-') + 1); dash != std::string_view::npos) {
    const std::string_view digits = name.substr(dash + 1);
    const char* end = digits.data() + digits.size();
    const auto result = std::from_chars(digits.data(), end, parsed.number);
    if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
    name = name.substr(0, dash);
  }
  const auto step = checkpoint_step(name);
  if (!step) return std::nullopt;
  parsed.step = *step;
  return parsed;
}

/// Calls once: by hand, or at the latest at the end of the scope.
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

/// For clean-up on the way out of an error, which is the one to report.
template <typename Action>
void quietly(Action action) {
  try {
    action();
  } catch (const IoError&) {
  }
}

}  // namespace

FileLock lock_state_folder(FileSystem& files, const Path& state_folder) {
  make_folders(files, state_folder);
  auto lock = FileLock::try_acquire(state_folder / "lock");
  if (!lock) {
    fail(ErrorKind::kRuntime, "{} is in use by another pretrain; stop that one or name another state folder",
         state_folder.native());
  }
  return std::move(*lock);
}

CheckpointStore::CheckpointStore(FileSystem& files, Path state_folder, StoreOptions options)
    : files_(files),
      state_folder_(std::move(state_folder)),
      folder_(checkpoints_folder(state_folder_)),
      options_(std::move(options)) {
  PRETRAIN_CHECK(options_.keep >= 2, "keep is {}", options_.keep);
  make_folders(files_, folder_);
  remove_leftovers();
}

SaveReport CheckpointStore::save(const CheckpointContent& content,
                                 const std::function<void()>& on_sources_read) {
  OnceGuard sources_read(on_sources_read);
  remove_leftovers();
  if (holds_intact(content.step)) return {};
  SaveReport report = save_new(content, [&] { sources_read.run(); });
  verified_.insert(content.step);
  try {
    apply_retention();
  } catch (const Error& error) {
    report.cleanup_error = error.what();
  }
  return report;
}

SaveReport CheckpointStore::save_new(const CheckpointContent& content,
                                     const std::function<void()>& on_sources_read) {
  const Path temporary = unused(folder_, kTemporaryPrefix, content.step);
  try {
    files_.make_folder(temporary);
    const Manifest manifest = write_checkpoint_folder(files_, temporary, content, on_sources_read);
    publish(temporary, content.step);
    SaveReport report{.bytes = manifest_text(manifest).size()};
    for (const ManifestFile& file : manifest.files) report.bytes += file.size_bytes;
    return report;
  } catch (...) {
    quietly([&] { remove_hidden(temporary); });
    throw;
  }
}

bool CheckpointStore::holds_intact(uint64_t step) {
  const CheckpointEntry entry{.step = step, .folder = folder_ / checkpoint_name(step)};
  if (!folder_exists(entry.folder)) return false;
  const CheckpointVerdict verdict = judge_checkpoint(entry.folder);
  if (!verdict.checkpoint) {
    set_aside(entry, verdict.damage);
    return false;
  }
  files_.sync_folder(folder_);  // the process that gave it its name may have died before this
  verified_.insert(step);
  return true;
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
  for (const CheckpointEntry& entry : list()) {
    CheckpointVerdict verdict = judge_checkpoint(entry.folder);
    if (verdict.checkpoint) {
      verified_.insert(entry.step);
      return std::move(verdict.checkpoint);
    }
    set_aside(entry, verdict.damage);
  }
  return std::nullopt;
}

Checkpoint CheckpointStore::verified(uint64_t step) const {
  const Path folder = folder_ / checkpoint_name(step);
  if (folder_exists(folder)) return verify_checkpoint(folder);
  std::vector<uint64_t> steps;
  for (const CheckpointEntry& entry : list()) steps.push_back(entry.step);
  fail(ErrorKind::kData, "{} has no checkpoint of step {}; it has {}", folder_.native(), step,
       steps.empty() ? "none" : fmt::format("{}", fmt::join(steps, ", ")));
}

void CheckpointStore::abandon_newer_than(uint64_t step) {
  const Path abandoned = state_folder_ / "abandoned";
  make_folders(files_, abandoned);
  sync_moves_to(abandoned);  // those of an attempt that failed or died midway
  for (const CheckpointEntry& entry : list()) {
    if (entry.step <= step) continue;
    files_.rename(entry.folder, unused(abandoned, "", entry.step));
    verified_.erase(entry.step);
    sync_moves_to(abandoned);
  }
}

void CheckpointStore::sync_moves_to(const Path& abandoned) {
  // The new place first: a crash between the two may show a checkpoint twice, but never nowhere.
  files_.sync_folder(abandoned);
  files_.sync_folder(folder_);
}

void CheckpointStore::set_aside(const CheckpointEntry& entry, const std::string& reason) {
  const Path aside = unused(folder_, kDamagedPrefix, entry.step);
  files_.rename(entry.folder, aside);
  files_.sync_folder(folder_);
  verified_.erase(entry.step);
  if (options_.on_damaged) options_.on_damaged({.step = entry.step, .folder = aside, .reason = reason});
  quietly([&] { limit_damaged(); });
}

void CheckpointStore::limit_damaged() {
  std::vector<std::pair<SideName, Path>> damaged;
  for (const FolderEntry& entry : list_folder(folder_)) {
    if (const auto name = parse_side_name(entry.name, kDamagedPrefix))
      damaged.emplace_back(*name, folder_ / entry.name);
  }
  std::ranges::sort(damaged, std::greater<>(),
                    [](const auto& d) { return std::pair(d.first.step, d.first.number); });
  for (size_t i = kDamagedKept; i < damaged.size(); ++i) remove_tree(files_, damaged[i].second);
}

bool CheckpointStore::is_verified(const CheckpointEntry& entry) {
  if (verified_.contains(entry.step)) return true;
  const CheckpointVerdict verdict = judge_checkpoint(entry.folder);
  if (verdict.checkpoint) {
    verified_.insert(entry.step);
  } else {
    set_aside(entry, verdict.damage);
  }
  return verdict.checkpoint.has_value();
}

void CheckpointStore::apply_retention() {
  const auto entries = list();
  if (entries.size() <= options_.keep) return;
  // Only what verified counts: a damaged checkpoint must not push out a good one.
  uint64_t kept = 0;
  for (const CheckpointEntry& entry : entries) {
    if (kept < options_.keep) {
      if (is_verified(entry)) ++kept;
    } else if (!is_permanent(entry.step)) {
      remove_checkpoint(entry);
    }
  }
}

void CheckpointStore::remove_checkpoint(const CheckpointEntry& entry) {
  const Path doomed = unused(folder_, kRemovalPrefix, entry.step);
  files_.rename(entry.folder, doomed);
  verified_.erase(entry.step);
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
  // It may have had a checkpoint's name: a crash must not bring that back over half of the files.
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

}  // namespace pretrain
