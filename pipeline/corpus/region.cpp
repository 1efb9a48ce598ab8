#include "pipeline/corpus/region.h"

#include <algorithm>

#include "pipeline/corpus/blocks.h"

namespace pretrain {
namespace {

bool is_splittable(const Shard& shard, LongText long_text) {
  if (has_block_regions(shard)) return true;
  if (shard.compression != Compression::kNone) return false;
  if (shard.format != TextFormat::kText) return true;
  return long_text == LongText::kSplit && shard.size_bytes > kLongDocumentBytes;
}

}  // namespace

bool has_block_regions(const Shard& shard) {
  return shard.compression == Compression::kBzip2 && shard.format == TextFormat::kMediaWiki;
}

std::vector<Region> make_regions(const Catalog& catalog, LongText long_text) {
  std::vector<Region> regions;
  for (uint32_t i = 0; i < catalog.shards.size(); ++i) {
    const Shard& shard = catalog.shards[i];
    if (!is_splittable(shard, long_text)) {
      regions.push_back({.shard = i});
      continue;
    }
    for (uint64_t begin = 0; begin < shard.size_bytes; begin += kRegionBytes) {
      regions.push_back({i, begin, std::min(begin + kRegionBytes, shard.size_bytes)});
    }
  }
  return regions;
}

}  // namespace pretrain
