// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/input_names.h"

#include <algorithm>
#include <iterator>

namespace pretrain {
namespace {

using Components = std::vector<std::string>;

/// From the last one to the first; without the root.
Components components_of(const Path& folder) {
  Components components;
  for (const Path& component : folder.relative_path()) components.push_back(component.native());
  std::erase(components, "");
  std::ranges::reverse(components);
  return components;
}

std::string joined(const Components& components, size_t count) {
  std::string name;
  for (size_t i = std::min(count, components.size()); i > 0; --i) {
    if (!name.empty()) name += '/';
    name += components[i - 1];
  }
  return name;
}

}  // namespace

/// Adds components from the end of the path until the name is unique. Quadratic, but there are few inputs.
std::vector<std::string> distinct_names(const std::vector<Path>& folders) {
  std::vector<Components> all;
  std::ranges::transform(folders, std::back_inserter(all), components_of);
  std::vector<std::string> names;
  for (const Components& components : all) {
    size_t count = 1;
    const auto is_alone = [&] {
      return 1 == std::ranges::count_if(all, [&](const Components& other) {
               return joined(other, count) == joined(components, count);
             });
    };
    while (count < components.size() && !is_alone()) ++count;
    names.push_back(joined(components, count));
  }
  return names;
}

}  // namespace pretrain
