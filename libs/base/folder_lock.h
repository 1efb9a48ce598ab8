#pragma once
// An exclusive lock on a folder itself, which nobody can delete under its holder as a lock file can be. It
// ends with the process, however it ends (flock).

#include <optional>

#include "libs/base/file.h"

namespace pretrain {

/// Single-owner.
class FolderLock {
 public:
  /// Returns nothing when another process holds the lock. Some network file systems can't lock folders: there
  /// it holds nothing, and a lock file has to do.
  /// Requires: the folder exists.
  /// Errors: IoError.
  static std::optional<FolderLock> try_acquire(const Path& folder);
  ~FolderLock();
  FolderLock(FolderLock&&) noexcept;
  FolderLock& operator=(FolderLock&&) noexcept;

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace pretrain
