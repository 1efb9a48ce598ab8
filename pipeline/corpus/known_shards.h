// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds shards of an earlier catalog again when their names may have changed: because the inputs are given in
// another order or were moved, or because another input has a file of the same name.

#include <map>
#include <string>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// The shards of a catalog by content. Thread-compatible; refers to the catalog.
class KnownShards {
 public:
  /// `known` may be null: no shards.
  explicit KnownShards(const Catalog* known);

  /// A shard with the same size and hash, preferably with the same name; null if there is none.
  const Shard* same_content(const Shard& shard) const;
  /// Calls `visit` with each shard of that content, in the order of names.
  template <typename Visit>
  void visit_same_content(const Shard& shard, const Visit& visit) const {
    const auto [begin, end] = by_hash_.equal_range(shard.hash);
    for (auto entry = begin; entry != end; ++entry) {
      if (entry->second->size_bytes == shard.size_bytes) visit(*entry->second);
    }
  }

 private:
  std::multimap<std::string, const Shard*> by_hash_;
};

/// Gives the shards of a new catalog the names from the previous one if they only differ in the name of an
/// input, because origins and the order of an epoch depend on names. `relative_names` are the new names
/// without inputs.
void keep_names(const KnownShards& known, const std::map<std::string, std::string>& relative_names,
                Catalog& catalog);

/// For a catalog from a checkpoint: sets the path of each shard that the inputs still hold, to the file with
/// its name and size, or else the one with its content under any name. Vanished shards get an empty path.
void locate_shards(const CorpusOptions& options, Catalog& catalog);

}  // namespace pretrain
