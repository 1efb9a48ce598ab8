// SPDX-License-Identifier: Apache-2.0
#pragma once
// A stamp of a file, read without opening it, which changes whenever the file's content changes.

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
  int64_t changed_nanoseconds = 0;   ///< also updated when only times or names change

  auto operator<=>(const FileStamp&) const = default;

  /// Whether both are stamps of one file, be its content the same or not.
  bool is_of_file(const FileStamp& other) const { return device == other.device && inode == other.inode; }
  /// Whether every later change will change the stamp. It might not if the file was written just now, because
  /// file systems store times in steps of up to two seconds.
  bool is_settled(std::chrono::system_clock::time_point now) const;
};

/// The stamp of the regular file at the path; empty when there is none or it is not accessible. Thread-safe.
std::optional<FileStamp> stamp_of(const Path& path);

}  // namespace pretrain
