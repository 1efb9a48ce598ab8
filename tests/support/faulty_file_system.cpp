// SPDX-License-Identifier: Apache-2.0
#include "tests/support/faulty_file_system.h"

#include <system_error>
#include <utility>

namespace pretrain::test {
namespace {

[[noreturn]] void fail_with(const Fault& fault, const Path& path) {
  throw IoError(
      ErrorKind::kRuntime,
      fmt::format("injected fault at {}: {}", path.native(), std::generic_category().message(fault.code)),
      fault.code);
}

bool hits(const Fault& fault, uint64_t number) {
  return fault.first_call != 0 && (fault.lasting ? number >= fault.first_call : number == fault.first_call);
}

bool fails(const Fault& fault) {
  return fault.first_call != 0 && fault.kind != Fault::Kind::kCorrupt;
}

bool lies_in(const Path& path, const Path& folder) {
  const auto relative = path.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != "..";
}

}  // namespace

class FaultyFileSystem::File : public WritableFile {
 public:
  File(FaultyFileSystem& owner, Path path, std::unique_ptr<WritableFile> under)
      : owner_(owner), path_(std::move(path)), under_(std::move(under)) {}

  void write(std::span<const std::byte> data) override {
    const Fault fault = owner_.begin(Operation::kWrite, path_);
    owner_.mark_unsynced(path_);
    if (fault.first_call != 0 && fault.kind == Fault::Kind::kCorrupt && !data.empty()) {
      std::vector<std::byte> changed(data.begin(), data.end());
      changed[changed.size() / 2] ^= std::byte{1};
      under_->write(changed);
      return;
    }
    if (fault.kind == Fault::Kind::kShortWrite) under_->write(data.first(data.size() / 2));
    if (fails(fault)) fail_with(fault, path_);
    under_->write(data);
  }

  void allocate(uint64_t bytes) override {
    owner_.begin_or_fail(Operation::kAllocate, path_);
    under_->allocate(bytes);
  }

  void sync() override {
    owner_.begin_or_fail(Operation::kSync, path_);
    owner_.mark_synced(path_);
  }

  void close() override {
    owner_.begin_or_fail(Operation::kClose, path_);
    under_->close();
  }

 private:
  FaultyFileSystem& owner_;
  Path path_;
  std::unique_ptr<WritableFile> under_;
};

void FaultyFileSystem::set_fault(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  matching_calls_ = 0;
}

void FaultyFileSystem::set_observer(std::function<void(const Call&)> observer) {
  const std::lock_guard lock(mutex_);
  observer_ = std::move(observer);
}

std::vector<Call> FaultyFileSystem::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

uint64_t FaultyFileSystem::call_count() const {
  const std::lock_guard lock(mutex_);
  return calls_.size();
}

std::vector<Path> FaultyFileSystem::unsynced() const {
  const std::lock_guard lock(mutex_);
  return {unsynced_.begin(), unsynced_.end()};
}

std::unique_ptr<WritableFile> FaultyFileSystem::create(const Path& path) {
  begin_or_fail(Operation::kCreate, path);
  auto file = under_.create(path);
  mark_unsynced(path);
  mark_unsynced(path.parent_path());
  return std::make_unique<File>(*this, path, std::move(file));
}

std::unique_ptr<WritableFile> FaultyFileSystem::append(const Path& path, uint64_t keep_bytes) {
  begin_or_fail(Operation::kAppend, path);
  auto file = under_.append(path, keep_bytes);
  mark_unsynced(path);
  mark_unsynced(path.parent_path());
  return std::make_unique<File>(*this, path, std::move(file));
}

void FaultyFileSystem::make_folder(const Path& path) {
  begin_or_fail(Operation::kMakeFolder, path);
  under_.make_folder(path);
  mark_unsynced(path.parent_path());
}

void FaultyFileSystem::rename(const Path& from, const Path& to) {
  begin_or_fail(Operation::kRename, from, to);
  under_.rename(from, to);
  move_marks(from, to);
  mark_unsynced(from.parent_path());
  mark_unsynced(to.parent_path());
}

void FaultyFileSystem::sync_folder(const Path& path) {
  begin_or_fail(Operation::kSyncFolder, path);
  mark_synced(path);
}

void FaultyFileSystem::remove_file(const Path& path) {
  begin_or_fail(Operation::kRemoveFile, path);
  under_.remove_file(path);
  mark_synced(path);
  mark_unsynced(path.parent_path());
}

void FaultyFileSystem::remove_folder(const Path& path) {
  begin_or_fail(Operation::kRemoveFolder, path);
  under_.remove_folder(path);
  mark_synced(path);
  mark_unsynced(path.parent_path());
}

Fault FaultyFileSystem::begin(Operation operation, const Path& path, const Path& target) {
  Call call{.operation = operation, .path = path, .target = target};
  Fault fault;
  std::function<void(const Call&)> observer;
  {
    const std::lock_guard lock(mutex_);
    call.number = calls_.size() + 1;
    const bool matches = !fault_.only || *fault_.only == operation;
    if (matches && hits(fault_, fault_.only ? ++matching_calls_ : call.number)) fault = fault_;
    call.failed = fails(fault);
    calls_.push_back(call);
    observer = observer_;
  }
  if (observer) observer(call);
  return fault;
}

void FaultyFileSystem::begin_or_fail(Operation operation, const Path& path, const Path& target) {
  const Fault fault = begin(operation, path, target);
  if (fails(fault)) fail_with(fault, path);
}

void FaultyFileSystem::mark_unsynced(const Path& path) {
  const std::lock_guard lock(mutex_);
  unsynced_.insert(path);
}

void FaultyFileSystem::mark_synced(const Path& path) {
  const std::lock_guard lock(mutex_);
  unsynced_.erase(path);
}

void FaultyFileSystem::move_marks(const Path& from, const Path& to) {
  const std::lock_guard lock(mutex_);
  std::set<Path> moved;
  for (const Path& path : unsynced_) {
    if (path == from) {
      moved.insert(to);
    } else {
      moved.insert(lies_in(path, from) ? to / path.lexically_relative(from) : path);
    }
  }
  unsynced_ = std::move(moved);
}

}  // namespace pretrain::test
