// SPDX-License-Identifier: Apache-2.0
#pragma once
// The identity of a file or folder, independent of the path that leads to it.

#include <compare>
#include <cstdint>
#include <optional>

#include "libs/base/file.h"

namespace pretrain {

/// Equal for two paths to the same file or folder. Valid while it exists.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;

  auto operator<=>(const FileIdentity&) const = default;
};

/// The identity of the file or folder at the path. Symbolic links are followed. Empty when it does not exist
/// or can't be reached. Thread-safe.
std::optional<FileIdentity> identity_of(const Path& path);

}  // namespace pretrain
