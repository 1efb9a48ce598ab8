#pragma once
// Regions: the parts of a corpus whose order is mixed in each epoch. A function of the catalog only.

#include <cstdint>
#include <limits>
#include <vector>

#include "libs/base/units.h"
#include "pipeline/corpus/catalog.h"

namespace pretrain {

constexpr uint64_t kRegionBytes = 1_MiB;
static_assert(kRegionBytes % 4_KiB == 0, "a region of a long plain text begins at a cut");

struct Region {
  uint32_t shard = 0;
  uint64_t begin = 0;  ///< decompressed offsets; records belong to the region where their first byte lies
  uint64_t end = std::numeric_limits<uint64_t>::max();
};

/// Whether long plain text, which is one document, is cut into regions too. Only a sample does that.
enum class LongText { kWhole, kSplit };

/// Uncompressed shards of records give regions of about a MiB, all others one region each.
std::vector<Region> make_regions(const Catalog& catalog, LongText long_text = LongText::kWhole);

}  // namespace pretrain
