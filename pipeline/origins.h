// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names of the documents that sequences come from. The number of a shard in a catalog changes when the corpus
// grows; here each shard keeps its number for the whole run.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libs/data/batch.h"
#include "libs/data/batch_source.h"
#include "pipeline/corpus/catalog.h"
#include "pipeline/corpus/cursor.h"

namespace pretrain {

/// Single-owner.
class OriginNames {
 public:
  OriginNames() = default;
  /// Restores names with the numbers that they had.
  explicit OriginNames(std::vector<std::string> names);

  /// The origin of a place in this catalog.
  SequenceOrigin origin_of(const Place& place, const std::shared_ptr<const Catalog>& catalog);

  /// "wiki_07 at byte 12345", or "" when it is not known.
  std::string describe(const SequenceOrigin& origin) const;

  const std::vector<std::string>& names() const { return names_; }

 private:
  uint32_t number_of(const std::string& name);

  std::vector<std::string> names_;
  std::map<std::string, uint32_t> numbers_;
  std::shared_ptr<const Catalog> catalog_;   // of the numbers below
  std::vector<uint32_t> numbers_of_shards_;  // by index in catalog_; UINT32_MAX: not used yet
};

/// Converts origins to an array of a checkpoint and back.
/// Shapes: [N, 3]: shard, offset (low half, high half).
StreamState::Array to_array(std::string name, std::span<const SequenceOrigin> origins);
/// Reads `count` origins into `origins`. All are unknown if there is no such array, because earlier versions
/// did not write it.
/// Errors: kData when the array has another size.
void read_origins(const StreamState& state, std::string_view name, size_t count,
                  std::vector<SequenceOrigin>& origins);

}  // namespace pretrain
