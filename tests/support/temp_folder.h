// SPDX-License-Identifier: Apache-2.0
#pragma once
// A temporary folder for the duration of a test, and the place of the real data.

#include <filesystem>
#include <optional>
#include <string>

namespace pretrain::test {

class TempFolder {
 public:
  TempFolder();
  explicit TempFolder(const std::filesystem::path& parent);
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  /// Writes a file below the folder (parents are made) and returns its path.
  std::filesystem::path write(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path path_;
};

/// Where files live in memory: /dev/shm with some room in it, else the usual folder for temporary files. For
/// tests that write many small files.
std::filesystem::path memory_folder();

/// The folder with real Wikipedia text: $PRETRAIN_TEST_DATA, else ../shared/data next to the source tree.
/// Nothing when it is absent; such a test calls GTEST_SKIP().
std::optional<std::filesystem::path> real_data_folder();

/// The source tree, for fixtures such as deploy/sample-corpus.
std::filesystem::path source_folder();

}  // namespace pretrain::test
