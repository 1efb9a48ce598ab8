// SPDX-License-Identifier: Apache-2.0
#pragma once
// Regions: the parts of a corpus whose order is shuffled in each epoch. A function of the catalog only.

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
  /// A record belongs to the region of its first byte. Offsets in the file; in a bzip2 dump, a record begins
  /// where its block begins.
  uint64_t begin = 0;
  uint64_t end = std::numeric_limits<uint64_t>::max();
};

/// Whether long plain text, which is one document, is also cut into regions. Only sampling does that.
enum class LongText { kWhole, kSplit };

/// Whether the regions of a shard are parts of a bzip2 file, see open_bzip2_blocks(). Only for dumps, because
/// older checkpoints count the bytes of other formats from the start of the file.
bool has_block_regions(const Shard& shard);

/// The regions of a catalog, computed on demand, so that memory depends on the number of shards and not on
/// their size. A value type.
class Regions {
 public:
  Regions() = default;
  explicit Regions(const Catalog& catalog, LongText long_text = LongText::kWhole);

  uint64_t size() const { return ends_.empty() ? 0 : ends_.back(); }
  bool empty() const { return size() == 0; }
  /// Requires: index < size().
  Region operator[](uint64_t index) const;

 private:
  std::vector<uint64_t> ends_;  // regions of this shard and of those before it
  std::vector<uint64_t>
      sizes_;  // of shards, // in bytes; for shards that are not split, the end of their region
};

/// Uncompressed shards of records, and bzip2 dumps, have regions of about 1 MiB of the file; all others have
/// one region.
std::vector<Region> make_regions(const Catalog& catalog, LongText long_text = LongText::kWhole);

}  // namespace pretrain
