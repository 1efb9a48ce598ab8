// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/region.h"

#include <algorithm>

#include "pipeline/corpus/blocks.h"

namespace pretrain {
namespace {

/// Whether reading can begin in the middle of the shard. Compressed files can't be entered, except bzip2
/// dumps.
bool is_splittable(const Shard& shard, LongText long_text) {
  if (has_block_regions(shard)) return true;
  if (shard.compression != Compression::kNone) return false;
  if (!row_of(shard.format).one_document) return true;
  return long_text == LongText::kSplit && shard.size_bytes > kLongDocumentBytes;
}

}  // namespace

bool has_block_regions(const Shard& shard) {
  return shard.compression == Compression::kBzip2 && row_of(shard.format).is_dump;
}

/// Stores running totals of regions, from which operator[] finds the shard of a region with a binary search.
Regions::Regions(const Catalog& catalog, LongText long_text) {
  uint64_t count = 0;
  for (const Shard& shard : catalog.shards) {
    const bool split = is_splittable(shard, long_text);
    count += split ? shard.size_bytes / kRegionBytes + (shard.size_bytes % kRegionBytes > 0 ? 1 : 0) : 1;
    ends_.push_back(count);
    sizes_.push_back(split ? shard.size_bytes : std::numeric_limits<uint64_t>::max());
  }
}

Region Regions::operator[](uint64_t index) const {
  const auto shard = static_cast<size_t>(std::ranges::upper_bound(ends_, index) - ends_.begin());
  const uint64_t begin = (index - (shard == 0 ? 0 : ends_[shard - 1])) * kRegionBytes;
  const bool last = index + 1 == ends_[shard];
  return {static_cast<uint32_t>(shard), begin, last ? sizes_[shard] : begin + kRegionBytes};
}

std::vector<Region> make_regions(const Catalog& catalog, LongText long_text) {
  const Regions regions(catalog, long_text);
  std::vector<Region> all;
  for (uint64_t i = 0; i < regions.size(); ++i) all.push_back(regions[i]);
  return all;
}

}  // namespace pretrain
