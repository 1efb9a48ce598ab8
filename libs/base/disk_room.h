// SPDX-License-Identifier: Apache-2.0
#pragma once
// How many more files a file system takes. Its bytes: free_disk_bytes() in file.h. Stateless, thread-safe.

#include <cstdint>
#include <optional>

#include "libs/base/file.h"

namespace pretrain {

/// Files and folders that a user may still make where the path leads: free inodes. Nothing where the file
/// system has no such limit (btrfs) or does not tell, and for a path that is not there.
/// Source: statvfs(3), f_favail.
std::optional<uint64_t> free_files(const Path& path);

}  // namespace pretrain
