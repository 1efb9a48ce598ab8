// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/source_files.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/temp_folder.h"

namespace pretrain::test {

namespace fs = std::filesystem;

std::string text_in_tree(std::string_view path) {
  std::ifstream file(source_folder() / path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::map<std::string, std::string> program_files() {
  std::map<std::string, std::string> files;
  for (const char* top : {"apps", "libs", "pipeline", "tokenizer"}) {
    for (const auto& entry : fs::recursive_directory_iterator(source_folder() / top)) {
      const fs::path path = entry.path().lexically_relative(source_folder());
      if (path.extension() == ".h" || path.extension() == ".cpp")
        files[path.generic_string()] = text_in_tree(path.generic_string());
    }
  }
  return files;
}

}  // namespace pretrain::test
