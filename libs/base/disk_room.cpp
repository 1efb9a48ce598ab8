// SPDX-License-Identifier: Apache-2.0
#include "libs/base/disk_room.h"

#include <sys/statvfs.h>

namespace pretrain {

std::optional<uint64_t> free_files(const Path& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0 || status.f_files == 0) return std::nullopt;
  return uint64_t{status.f_favail};
}

}  // namespace pretrain
