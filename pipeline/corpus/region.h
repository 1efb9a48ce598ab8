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
  /// Records belong to the region where their first byte lies. Offsets in the file; in a bzip2 dump a
  /// record's first byte lies where its block begins.
  uint64_t begin = 0;
  uint64_t end = std::numeric_limits<uint64_t>::max();
};

/// Whether long plain text, which is one document, is cut into regions too. Only a sample does that.
enum class LongText { kWhole, kSplit };

/// Whether the regions of a shard are parts of a bzip2 file, see open_bzip2_blocks(). Only dumps are read so:
/// for other formats the older checkpoints count bytes from the beginning of the file.
bool has_block_regions(const Shard& shard);

/// The regions of a catalog without a list of them: memory by shards, and not by bytes of text. A value.
class Regions {
 public:
  Regions() = default;
  explicit Regions(const Catalog& catalog, LongText long_text = LongText::kWhole);

  uint64_t size() const { return ends_.empty() ? 0 : ends_.back(); }
  bool empty() const { return size() == 0; }
  /// Requires: index < size().
  Region operator[](uint64_t index) const;

 private:
  std::vector<uint64_t> ends_;   // regions of this shard and of those before it
  std::vector<uint64_t> sizes_;  // of shards, in bytes; of those that are not split, the end of their region
};

/// Uncompressed shards of records and bzip2 dumps give regions of about a MiB of the file, all others one
/// region each.
std::vector<Region> make_regions(const Catalog& catalog, LongText long_text = LongText::kWhole);

}  // namespace pretrain
