// SPDX-License-Identifier: Apache-2.0
#pragma once
// The identity of a file or folder, independent of the path that leads to it.

#include <compare>
#include <cstdint>
#include <optional>
#include <utility>

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

/// The file that a name means, to notice that it was removed or replaced while it is open. A folder that is moved as a
/// whole takes its files with it. Thread-compatible.
class NamedFile {
 public:
  NamedFile() = default;
  /// The file that is there now.
  explicit NamedFile(Path path)
      : path_(std::move(path)), file_(identity_of(path_)), folder_(identity_of(path_.parent_path())) {}

  bool was_taken_away() const {
    return file_ && identity_of(path_) != file_ && identity_of(path_.parent_path()) == folder_;
  }

 private:
  Path path_;
  std::optional<FileIdentity> file_, folder_;
};

}  // namespace pretrain
