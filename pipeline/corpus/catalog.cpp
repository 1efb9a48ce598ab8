// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/catalog.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "libs/base/error.h"
#include "libs/base/json_reason.h"
#include "libs/base/number.h"

namespace pretrain {
namespace {

/// The value that a checkpoint calls `word`, if there is one.
template <typename Value>
Value known(const std::optional<Value>& found, const std::string& word) {
  if (found) return *found;
  fail(ErrorKind::kData,
       "the catalog of the corpus names an unknown kind of file, '{}'; it was written by a newer "
       "program, use that",
       word);
}

// Keys and names are part of the checkpoint format (libs/checkpoint/FORMAT.md) and must not change.

nlohmann::json site_to_json(const DumpSite& site) {
  nlohmann::json names = nlohmann::json::object();
  for (const auto& [number, name] : site.wiki.namespaces) names[std::to_string(number)] = name;
  return {{"prefix", site.prefix}, {"language", site.wiki.language}, {"namespaces", names}};
}

DumpSite site_from_json(const nlohmann::json& json) {
  DumpSite site{.prefix = json.at("prefix").get<std::string>(),
                .wiki = {.language = json.at("language").get<std::string>(), .namespaces = {}}};
  for (const auto& [number, name] : json.at("namespaces").items()) {
    site.wiki.namespaces[parse_number<int>(number).value_or(0)] = name.get<std::string>();
  }
  return site;
}

/// More than any file system holds; prevents overflow in computations with sizes from a checkpoint.
constexpr uint64_t kMostBytes = uint64_t{1} << 60;

Shard shard_from_json(const nlohmann::json& json) {
  const nlohmann::json& size = json.at("size_bytes");
  if (!size.is_number_unsigned() || size.get<uint64_t>() > kMostBytes)
    fail(ErrorKind::kData, "the catalog of the corpus is damaged (size_bytes {}); use an older checkpoint",
         size.dump());
  const auto compression = json.at("compression").get<std::string>();
  const auto format = json.at("format").get<std::string>();
  return {.path = {},
          .name = json.at("name").get<std::string>(),
          .size_bytes = size.get<uint64_t>(),
          .hash = json.at("hash").get<std::string>(),
          .compression = known(find_compression(compression), compression),
          .format = known(find_format(format), format),
          .site = json.contains("site") ? site_from_json(json.at("site")) : DumpSite{}};
}

}  // namespace

/// Binary search: the shards are in the order of their names.
const Shard* Catalog::find(const std::string& name) const {
  const auto found = std::ranges::lower_bound(shards, name, {}, &Shard::name);
  return found != shards.end() && found->name == name ? &*found : nullptr;
}

/// Without paths: a corpus may move, and is found again by the names below its inputs and the hashes.
void to_json(nlohmann::json& json, const Catalog& catalog) {
  json = {{"shards", nlohmann::json::array()}, {"rejected", nlohmann::json::array()}};
  for (const Shard& shard : catalog.shards) {
    json["shards"].push_back({{"name", shard.name},
                              {"size_bytes", shard.size_bytes},
                              {"hash", shard.hash},
                              {"compression", compression_name(shard.compression)},
                              {"format", format_key(shard.format)}});
    if (row_of(shard.format).is_dump) json["shards"].back()["site"] = site_to_json(shard.site);
  }
  for (const RejectedFile& file : catalog.rejected) {
    json["rejected"].push_back({{"name", file.name}, {"reason", file.reason}});
  }
}

void from_json(const nlohmann::json& json, Catalog& catalog) {
  try {
    catalog = Catalog{};
    for (const auto& shard : json.at("shards")) catalog.shards.push_back(shard_from_json(shard));
    // find() uses a binary search.
    if (!std::ranges::is_sorted(catalog.shards, {}, &Shard::name))
      fail(ErrorKind::kData,
           "the catalog of the corpus is damaged (its names are not in order); use an older checkpoint");
    for (const auto& file : json.at("rejected")) {
      catalog.rejected.push_back({file.at("name").get<std::string>(), file.at("reason").get<std::string>()});
    }
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kData, "the catalog of the corpus is damaged ({}); use an older checkpoint",
         json_reason(error.what()));
  }
}

}  // namespace pretrain
