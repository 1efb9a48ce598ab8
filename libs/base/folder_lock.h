// SPDX-License-Identifier: Apache-2.0
#pragma once
// An exclusive lock on a folder itself (flock). Unlike a lock file, it can't be deleted while it is held. The
// kernel releases it when the process ends, even after a kill.

#include <optional>

#include "libs/base/file.h"

namespace pretrain {

/// Single-owner.
class FolderLock {
 public:
  /// Returns nothing when another process holds the lock. Some network file systems can't lock folders; there
  /// the returned lock holds nothing, and the caller also needs a lock file.
  /// Requires: the folder exists.
  /// Errors: IoError.
  static std::optional<FolderLock> try_acquire(const Path& folder);
  ~FolderLock();
  FolderLock(FolderLock&&) noexcept;
  FolderLock& operator=(FolderLock&&) noexcept;

  /// Whether the path leads to the folder that is locked: not after that was removed or moved.
  bool is_of(const Path& folder) const;

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace pretrain
