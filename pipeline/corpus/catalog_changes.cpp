// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/catalog_changes.h"

#include <algorithm>
#include <map>
#include <span>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "pipeline/corpus/describe.h"

namespace pretrain {
namespace {

std::string some_of(const std::vector<std::string>& names, std::string_view separator) {
  constexpr size_t kShown = 3;
  const auto shown = std::span(names).first(std::min(kShown, names.size()));
  const size_t more = names.size() - shown.size();
  return fmt::format("{}{}", fmt::join(shown, separator),
                     more == 0 ? "" : fmt::format("{}and {} more", separator, more));
}

}  // namespace

CatalogChanges changes_between(const Catalog& before, const Catalog& now) {
  std::map<std::string_view, std::string_view> reasons;
  for (const RejectedFile& file : now.rejected) reasons.emplace(file.name, file.reason);
  CatalogChanges changes;
  for (const Shard& shard : now.shards) {
    const Shard* known = before.find(shard.name);
    if (known == nullptr) {
      changes.joined.push_back(shard.name);
    } else if (known->hash != shard.hash) {
      changes.changed.push_back(shard.name);
    }
  }
  for (const Shard& shard : before.shards) {
    if (now.find(shard.name) != nullptr) continue;
    const auto reason = reasons.find(shard.name);
    changes.lost.push_back(
        fmt::format("{}: {}", shard.name, reason == reasons.end() ? "it is gone" : reason->second));
  }
  return changes;
}

std::string describe(const CatalogChanges& changes) {
  std::vector<std::string> parts;
  if (const auto& names = changes.joined; !names.empty())
    parts.push_back(fmt::format("{} more {} ({})", names.size(), names.size() == 1 ? "file" : "files",
                                some_of(names, ", ")));
  if (const auto& names = changes.changed; !names.empty())
    parts.push_back(fmt::format("{} changed ({})", names.size(), some_of(names, ", ")));
  if (const auto& names = changes.lost; !names.empty())
    parts.push_back(fmt::format("{} not read any more ({})", names.size(), some_of(names, "; ")));
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace pretrain
