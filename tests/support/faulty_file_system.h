// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file system for tests: it passes calls on to the real one, records each, fails those it is told to fail
// and knows what has not been synced. A sync is recorded but not passed on: no test could tell, and it costs
// time. Thread-safe. Calls are numbered from 1 in the order they arrive.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "libs/base/file.h"

namespace pretrain::test {

enum class Operation {
  kCreate,
  kAppend,
  kWrite,
  kAllocate,
  kSync,
  kClose,
  kMakeFolder,
  kRename,
  kSyncFolder,
  kRemoveFile,
  kRemoveFolder
};

struct Call {
  uint64_t number = 0;
  Operation operation = Operation::kCreate;
  Path path;
  Path target;  ///< of a rename
  bool failed = false;
};

struct Fault {
  enum class Kind {
    kFail,        ///< the call does nothing and fails
    kShortWrite,  ///< a write leaves half of its bytes and then fails; any other call fails
    kCorrupt,     ///< a write changes one bit and succeeds; no other call is changed
  };
  Kind kind = Kind::kFail;
  int code = 0;             ///< errno
  uint64_t first_call = 0;  ///< counted as Call::number, or among the calls of `only` since set_fault
  std::optional<Operation> only = {};
  bool lasting = false;  ///< also each later call: a disk that died, or a process that did
};

class FaultyFileSystem : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& under = real_file_system()) : under_(under) {}

  void set_fault(const Fault& fault);
  void clear_fault() { set_fault({}); }
  /// Called before each call is carried out, to look at the disk as a kill at this instant would leave it.
  void set_observer(std::function<void(const Call&)> observer);

  std::vector<Call> calls() const;
  uint64_t call_count() const;
  /// Files with written data, and folders with changed entries, that no successful sync followed.
  std::vector<Path> unsynced() const;

  std::unique_ptr<WritableFile> create(const Path& path) override;
  std::unique_ptr<WritableFile> append(const Path& path, uint64_t keep_bytes) override;
  void make_folder(const Path& path) override;
  void rename(const Path& from, const Path& to) override;
  void sync_folder(const Path& path) override;
  void remove_file(const Path& path) override;
  void remove_folder(const Path& path) override;

 private:
  class File;

  /// Records the call and lets the observer see it; returns the fault that hits it.
  Fault begin(Operation operation, const Path& path, const Path& target = {});
  /// begin(), then throws when a fault of any kind but kCorrupt hits.
  void begin_or_fail(Operation operation, const Path& path, const Path& target = {});
  void mark_unsynced(const Path& path);
  void mark_synced(const Path& path);
  void move_marks(const Path& from, const Path& to);

  FileSystem& under_;
  mutable std::mutex mutex_;  // guards all below
  Fault fault_;
  uint64_t matching_calls_ = 0;  // of the kind that the fault is for, since it was set
  std::function<void(const Call&)> observer_;
  std::vector<Call> calls_;
  std::set<Path> unsynced_;
};

}  // namespace pretrain::test
