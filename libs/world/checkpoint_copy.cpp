// SPDX-License-Identifier: Apache-2.0
#include "libs/world/checkpoint_copy.h"

#include <algorithm>
#include <span>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

constexpr size_t kPartBytes = size_t{1} << 20;
constexpr size_t kMostFiles = 64;
/// Besides the newest: the copy that a loss of the head during the next save needs is never the last one.
constexpr size_t kKeptCopies = 2;

/// A manifest lists all files but itself.
bool may_be_in_checkpoint(std::string_view name) {
  return name == kManifestName || is_plain_file_name(name);
}

}  // namespace

CopySource::CopySource(const Path& folder, uint64_t step) : step_(step) {
  for (const FolderEntry& entry : list_folder(folder)) {
    if (entry.is_regular && may_be_in_checkpoint(entry.name))
      files_.push_back({.name = entry.name,
                        .content = std::make_unique<ReadableFile>(folder / entry.name, Links::kRefuse)});
  }
}

std::optional<CopyPart> CopySource::next() {
  if (is_read() || sent_ >= answered_ + kCopyPartsOnTheWay) return std::nullopt;
  const File& file = files_[file_];
  CopyPart part{.step = step_, .file = file.name, .file_bytes = file.content->size(), .offset = offset_};
  part.bytes.resize(std::min<uint64_t>(kPartBytes, part.file_bytes - offset_));
  const size_t count =
      file.content->read_at(offset_, std::as_writable_bytes(std::span(part.bytes.data(), part.bytes.size())));
  if (count != part.bytes.size())
    fail(ErrorKind::kRuntime, "{} became shorter while it was copied", file.content->path().native());
  offset_ += count;
  if (offset_ == part.file_bytes) {
    ++file_;
    offset_ = 0;
  }
  part.is_last = is_read();
  ++sent_;
  return part;
}

Path CopyTarget::temporary() const {
  return checkpoints_folder(state_) / ".copy";
}

std::optional<CheckpointEntry> CopyTarget::newest() const {
  if (state_.empty() || !folder_exists(checkpoints_folder(state_))) return std::nullopt;
  for (const CheckpointEntry& entry : list_checkpoints(state_)) {
    if (judge_checkpoint(entry.folder).checkpoint) return entry;
  }
  return std::nullopt;
}

CopyAnswer CopyTarget::take(const CopyPart& part) {
  CopyAnswer answer{.step = part.step};
  try {
    write(part);
    if (part.is_last) complete();
    answer.is_complete = part.is_last;
  } catch (const Error& error) {
    answer.problem = error.what();
    drop();
  }
  return answer;
}

/// Parts come in order; the first of another step begins another copy.
void CopyTarget::write(const CopyPart& part) {
  if (step_ != part.step) begin(part.step);
  if (file_ == nullptr) begin_file(part);
  if (part.file != name_ || part.offset != written_ || part.bytes.size() > part.file_bytes - part.offset)
    fail(ErrorKind::kData, "the parts of the checkpoint of step {} do not fit together", part.step);
  file_->write(part.bytes);
  written_ += part.bytes.size();
  if (written_ < part.file_bytes) return;
  file_->sync();
  file_->close();
  file_.reset();
}

void CopyTarget::begin(uint64_t step) {
  drop();
  const std::vector<CheckpointEntry> known = list_checkpoints(state_);
  if (keeps_few_ && !known.empty() && known.front().step > step) {
    fail(
        ErrorKind::kUsage,
        "{} has a copy of step {}, of another run or from before this run went back; remove it, or name another "
        "folder",
        state_.native(), known.front().step);
  }
  make_folders(files_, checkpoints_folder(state_));
  files_.make_folder(temporary());
  step_ = step;
}

void CopyTarget::begin_file(const CopyPart& part) {
  if (!may_be_in_checkpoint(part.file) || ++file_count_ > kMostFiles || part.offset != 0)
    fail(ErrorKind::kData, "the checkpoint of step {} has a file that does not belong to one", part.step);
  name_ = part.file;
  written_ = 0;
  file_ = files_.create(temporary() / name_);
  file_->allocate(part.file_bytes);
}

/// A checkpoint whose manifest is damaged is of no use to any run.
void CopyTarget::refuse_beside_another_run(const Manifest& manifest) const {
  if (same_run_ == nullptr) return;
  for (const CheckpointEntry& entry : list_checkpoints(state_)) {
    try {
      if (same_run_(read_manifest(entry.folder), manifest)) continue;
    } catch (const DamageError&) {
      continue;
    }
    fail(ErrorKind::kUsage, "{} has a copy of step {} of another run; name another folder", state_.native(),
         entry.step);
  }
}

/// What has the name already stays if it is the same, or can't be judged. A damaged one is set aside; one from before the
/// run went back gives way.
void CopyTarget::replace(const Path& folder, const Manifest& manifest) {
  const CheckpointVerdict there = judge_checkpoint(folder);
  if (there.checkpoint && there.checkpoint->manifest.files == manifest.files) return;
  if (there.trouble == Trouble::kUnreadable || there.trouble == Trouble::kForbidden)
    fail(ErrorKind::kRuntime, "{} {}", folder.native(), there.reason);
  const std::string aside_name = there.checkpoint ? ".replaced" : "damaged-" + checkpoint_name(*step_);
  const Path aside = checkpoints_folder(state_) / aside_name;
  remove_tree(files_, aside);
  files_.rename(folder, aside);
  files_.rename(temporary(), folder);
  files_.sync_folder(checkpoints_folder(state_));
  if (there.checkpoint) remove_tree(files_, aside);
}

/// Only what verifies gets its name.
void CopyTarget::complete() {
  const Path folder = checkpoints_folder(state_) / checkpoint_name(*step_);
  files_.sync_folder(temporary());
  const CheckpointVerdict verdict = judge_checkpoint(temporary());
  if (!verdict.checkpoint || verdict.checkpoint->step != *step_)
    fail(ErrorKind::kData, "the copy {}", verdict.checkpoint ? "is of another step" : verdict.reason);
  refuse_beside_another_run(verdict.checkpoint->manifest);
  if (folder_exists(folder)) {
    replace(folder, verdict.checkpoint->manifest);
  } else {
    files_.rename(temporary(), folder);
    files_.sync_folder(checkpoints_folder(state_));
  }
  drop();
  remove_older();
}

void CopyTarget::remove_older() const {
  if (!keeps_few_) return;
  const std::vector<CheckpointEntry> all = list_checkpoints(state_);
  for (size_t i = kKeptCopies; i < all.size(); ++i) remove_tree(files_, all[i].folder);
}

/// Forgets what is written. Errors of the removal do not matter: the next copy begins with it.
void CopyTarget::drop() {
  file_.reset();
  step_.reset();
  file_count_ = 0;
  try {
    remove_tree(files_, temporary());
  } catch (const IoError&) {
    // as said
  }
}

CopyKeeper::CopyKeeper(FileSystem& files, const Path& state_folder, SameRun same_run,
                       std::function<void(const CopyAnswer&)> answer)
    : target_(files, state_folder, CopyTarget::Keeps::kNewest, std::move(same_run)),
      answer_(std::move(answer)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

CopyKeeper::~CopyKeeper() = default;

void CopyKeeper::take(CopyPart part) {
  const std::lock_guard lock(mutex_);
  if (parts_.size() >= kCopyPartsOnTheWay)
    fail(ErrorKind::kData, "the head sends more of a checkpoint than this machine has asked for");
  parts_.push_back(std::move(part));
  changed_.notify_all();
}

void CopyKeeper::run(const std::stop_token& stop) {
  while (true) {
    CopyPart part;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return !parts_.empty(); })) return;
      part = std::move(parts_.front());
      parts_.erase(parts_.begin());
    }
    if (refused_ == part.step) continue;
    const CopyAnswer answer = target_.take(part);
    if (!answer.problem.empty()) refused_ = part.step;
    if (answer.is_complete) log_info("has a copy of the checkpoint of step {}", format_count(answer.step));
    if (!answer.problem.empty())
      log_warning("can't keep a copy of the checkpoint of step {}: {}; the run continues",
                  format_count(answer.step), answer.problem);
    answer_(answer);
  }
}

}  // namespace pretrain
