// SPDX-License-Identifier: Apache-2.0
#include "libs/base/file_stamp.h"

#include <sys/stat.h>

namespace pretrain {
namespace {

/// Two seconds for the coarsest file system (FAT), and some more for a file server with another clock.
constexpr std::chrono::seconds kSettled{3};

int64_t nanoseconds(const timespec& time) {
  return std::chrono::nanoseconds(std::chrono::seconds(time.tv_sec)).count() + time.tv_nsec;
}

}  // namespace

bool FileStamp::is_settled(std::chrono::system_clock::time_point now) const {
  const std::chrono::nanoseconds modified(modified_nanoseconds);
  return modified + kSettled < now.time_since_epoch();
}

std::optional<FileStamp> stamp_of(const Path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return FileStamp{.device = status.st_dev,
                   .inode = status.st_ino,
                   .size_bytes = static_cast<uint64_t>(status.st_size),
                   .modified_nanoseconds = nanoseconds(status.st_mtim),
                   .changed_nanoseconds = nanoseconds(status.st_ctim)};
}

}  // namespace pretrain
