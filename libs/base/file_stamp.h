#pragma once
// What a file system tells of a file without opening it, which is another after every change of its content.

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>

#include "libs/base/file.h"

namespace pretrain {

struct FileStamp {
  uint64_t device = 0, inode = 0;
  uint64_t size_bytes = 0;
  int64_t modified_nanoseconds = 0;  ///< since the epoch of the system's clock
  int64_t changed_nanoseconds = 0;   ///< also when only the times or the name were set

  auto operator<=>(const FileStamp&) const = default;

  /// Whether every later change will show. Of a file that was written just now it might not: file systems
  /// keep times in steps of up to two seconds.
  bool is_settled(std::chrono::system_clock::time_point now) const;
};

/// Of the regular file that the path leads to; nothing when there is none or it can't be looked at.
/// Thread-safe.
std::optional<FileStamp> stamp_of(const Path& path);

}  // namespace pretrain
