// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/known_shards.h"

#include <algorithm>
#include <set>

#include "pipeline/corpus/identify.h"
#include "pipeline/corpus/listing.h"

namespace pretrain {
namespace {

/// Whether a name is `relative` after the name of an input, or after "2:" as in earlier versions.
bool is_name_of(const std::string& name, const std::string& relative) {
  if (!name.ends_with(relative)) return false;
  if (name.size() == relative.size()) return true;
  const char before = name[name.size() - relative.size() - 1];
  return before == '/' || before == ':';
}

std::string content_of(const Path& path) {
  try {
    return identify(ReadableFile(path));
  } catch (const Error&) {
    return "";  // then it is not a candidate
  }
}

/// Finds files by content; each is read at most once.
class ContentIndex {
 public:
  explicit ContentIndex(const std::vector<ListedFile>& files) {
    for (const ListedFile& file : files) by_size_.emplace(file.size_bytes, &file);
  }

  /// Only reads files of the right size, and each at most once.
  const ListedFile* find(const Shard& shard) {
    const auto [begin, end] = by_size_.equal_range(shard.size_bytes);
    for (auto entry = begin; entry != end; ++entry) {
      const auto [hash, is_new] = hashes_.try_emplace(entry->second);
      if (is_new) hash->second = content_of(entry->second->path);
      if (hash->second == shard.hash) return entry->second;
    }
    return nullptr;
  }

 private:
  std::multimap<uint64_t, const ListedFile*> by_size_;
  std::map<const ListedFile*, std::string> hashes_;
};

}  // namespace

KnownShards::KnownShards(const Catalog* known) {
  if (known == nullptr) return;
  for (const Shard& shard : known->shards) by_hash_.emplace(shard.hash, &shard);
}

const Shard* KnownShards::same_content(const Shard& shard) const {
  const Shard* best = nullptr;
  visit_same_content(shard, [&](const Shard& known) {
    if (best == nullptr || known.name == shard.name) best = &known;
  });
  return best;
}

/// A name is only taken over if no other shard has it, so that names stay unique.
void keep_names(const KnownShards& known, const std::map<std::string, std::string>& relative_names,
                Catalog& catalog) {
  std::set<std::string> taken;
  for (const Shard& shard : catalog.shards) taken.insert(shard.name);
  for (Shard& shard : catalog.shards) {
    const std::string& relative = relative_names.at(shard.name);
    const Shard* before = nullptr;
    known.visit_same_content(shard, [&](const Shard& other) {
      if (other.name == shard.name) before = &other;
      const bool free = !taken.contains(other.name);
      if (before == nullptr && free && is_name_of(other.name, relative)) before = &other;
    });
    if (before == nullptr || before->name == shard.name) continue;
    taken.insert(before->name);
    shard.name = before->name;
  }
  std::ranges::sort(catalog.shards, {}, &Shard::name);
}

/// A file with the right name but another size is still used if no other file has the content: the reader
/// then reports that the shard has changed.
void locate_shards(const CorpusOptions& options, Catalog& catalog) {
  const Listing listing = list_inputs(options, {});
  ContentIndex contents(listing.files);
  for (Shard& shard : catalog.shards) {
    const auto named = std::ranges::lower_bound(listing.files, shard.name, {}, &ListedFile::name);
    const bool has_name = named != listing.files.end() && named->name == shard.name;
    const ListedFile* file = has_name ? &*named : nullptr;
    if (file == nullptr || file->size_bytes != shard.size_bytes) {
      if (const ListedFile* same = contents.find(shard)) file = same;
    }
    shard.path = file != nullptr ? file->path : Path();
    shard.left_out = file == nullptr && is_left_out(listing, shard.name);
  }
}

}  // namespace pretrain
