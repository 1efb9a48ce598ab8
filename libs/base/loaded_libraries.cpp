// SPDX-License-Identifier: Apache-2.0
#include "libs/base/loaded_libraries.h"

#include <string_view>

#include <link.h>

namespace pretrain {

std::vector<Path> loaded_libraries() {
  std::vector<Path> files;
  const auto add = [](dl_phdr_info* info, size_t, void* into) {
    const std::string_view name = info->dlpi_name;  // empty for the program, no path for the kernel's own
    if (name.starts_with('/')) static_cast<std::vector<Path>*>(into)->emplace_back(name);
    return 0;
  };
  dl_iterate_phdr(add, &files);
  return files;
}

std::string library_name(const Path& file) {
  const std::string name = file.filename().string();
  return name.substr(0, name.find(".so"));
}

}  // namespace pretrain
