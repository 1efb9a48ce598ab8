// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/seen_files.h"

namespace pretrain {
namespace {

/// The format of a file may depend on its name, but not on its folder.
std::string_view last_part(std::string_view name) {
  return name.substr(name.rfind('/') + 1);
}

bool same_last_part(const std::string& one, const std::string& other) {
  return last_part(one) == last_part(other);
}

}  // namespace

/// Rejected files are remembered too: examining them again would cost as much as text.
void SeenFiles::add(const Catalog* catalog) {
  if (catalog == nullptr) return;
  for (const Shard& shard : catalog->shards) {
    if (shard.stamp) shards_.emplace(*shard.stamp, &shard);
  }
  for (const RejectedFile& file : catalog->rejected) {
    if (file.stamp) rejected_.emplace(*file.stamp, &file);
  }
}

/// A stamp identifies file and content, so a match needs no read.
std::optional<Finding> SeenFiles::recall(const FileStamp& stamp, Shard& shard) const {
  if (const auto seen = shards_.find(stamp); seen != shards_.end()) {
    const Shard& before = *seen->second;
    if (!same_last_part(before.name, shard.name)) return std::nullopt;
    shard.size_bytes = before.size_bytes;
    shard.hash = before.hash;
    shard.compression = before.compression;
    shard.format = before.format;
    shard.site = before.site;
    shard.stamp = stamp;
    return Finding{};
  }
  const auto seen = rejected_.find(stamp);
  if (seen == rejected_.end() || !same_last_part(seen->second->name, shard.name)) return std::nullopt;
  shard.stamp = stamp;
  return Finding{.rejection = seen->second->reason, .is_dump_index = seen->second->is_dump_index};
}

}  // namespace pretrain
