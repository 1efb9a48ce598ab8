// SPDX-License-Identifier: Apache-2.0
#include "tests/support/temp_folder.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <unistd.h>

namespace pretrain::test {

namespace fs = std::filesystem;

TempFolder::TempFolder() : TempFolder(fs::temp_directory_path()) {}

TempFolder::TempFolder(const fs::path& parent) {
  std::string pattern = (parent / "pretrain-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot create " + pattern);
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path TempFolder::write(const std::string& name, const std::string& content) const {
  const fs::path target = path_ / name;
  fs::create_directories(target.parent_path());
  std::ofstream(target, std::ios::binary) << content;
  return target;
}

fs::path memory_folder() {
  const fs::path shared_memory = "/dev/shm";
  constexpr std::uintmax_t kRoomBytes = std::uintmax_t{32} << 20;
  std::error_code failed;
  const auto room = fs::space(shared_memory, failed);
  const bool usable = !failed && room.available >= kRoomBytes && access(shared_memory.c_str(), W_OK) == 0;
  return usable ? shared_memory : fs::temp_directory_path();
}

fs::path source_folder() {
  return PRETRAIN_SOURCE_FOLDER;
}

std::optional<fs::path> real_data_folder() {
  const char* named = std::getenv("PRETRAIN_TEST_DATA");
  const fs::path folder =
      named != nullptr ? fs::path(named) : source_folder().parent_path() / "shared" / "data";
  if (!fs::exists(folder / "MANIFEST.tsv")) return std::nullopt;
  return folder;
}

}  // namespace pretrain::test
