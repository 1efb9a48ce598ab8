#pragma once
// Which file or folder a path leads to, whatever the path is called.

#include <compare>
#include <cstdint>
#include <optional>

#include "libs/base/file.h"

namespace pretrain {

/// The same for two paths that lead to the same thing. Valid while that exists.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;

  auto operator<=>(const FileIdentity&) const = default;
};

/// Of what the path leads to; symbolic links are followed. Nothing when it does not exist or can't be
/// reached. Thread-safe.
std::optional<FileIdentity> identity_of(const Path& path);

}  // namespace pretrain
