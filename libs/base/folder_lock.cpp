// SPDX-License-Identifier: Apache-2.0
#include "libs/base/folder_lock.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libs/base/file_identity.h"

namespace pretrain {
namespace {

/// NFS only locks files that are open for writing, which a folder can't be; other file systems have no locks.
bool means_unsupported(int code) {
  static constexpr std::array kCodes{EBADF, EINVAL, ENOLCK, EOPNOTSUPP, ENOSYS};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

[[noreturn]] void fail_to_lock(const Path& folder, int code) {
  throw IoError(
      ErrorKind::kRuntime,
      fmt::format("cannot lock folder {}: {}", folder.native(), std::generic_category().message(code)), code);
}

}  // namespace

std::optional<FolderLock> FolderLock::try_acquire(const Path& folder) {
  FolderLock lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.descriptor_ < 0) fail_to_lock(folder, errno);
  int result = 0;
  do {
    result = ::flock(lock.descriptor_, LOCK_EX | LOCK_NB);
  } while (result < 0 && errno == EINTR);
  if (result == 0 || means_unsupported(errno)) return lock;
  if (errno == EWOULDBLOCK) return std::nullopt;
  fail_to_lock(folder, errno);
}

bool FolderLock::is_of(const Path& folder) const {
  struct stat locked {};
  return ::fstat(descriptor_, &locked) == 0 &&
         identity_of(folder) == FileIdentity{.device = locked.st_dev, .inode = locked.st_ino};
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace pretrain
