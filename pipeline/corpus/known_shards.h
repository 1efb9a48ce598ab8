#pragma once
// Shards of an earlier catalog found again in files whose names may be others by now: because the inputs are
// given in another order or lie elsewhere, or because another input has a file of the same name.

#include <map>
#include <string>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// The shards of a catalog by content. Thread-compatible; refers to the catalog.
class KnownShards {
 public:
  /// `known` may be null: no shards.
  explicit KnownShards(const Catalog* known);

  /// The shard with the size and hash of this one, best of the same name; null when there is none.
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

/// Gives the shards of a new catalog the names that they had in the one before, where those differ by the
/// name of an input only: origins and the order of an epoch go by names. `relative_names` are the new names
/// without inputs.
void keep_names(const KnownShards& known, const std::map<std::string, std::string>& relative_names,
                Catalog& catalog);

/// Sets the path of each shard that the inputs (still) hold, for a catalog that comes from a checkpoint: the
/// file of its name and size, else the one of its content, whatever its name is now. The others get an empty
/// path: they have vanished.
void locate_shards(const CorpusOptions& options, Catalog& catalog);

}  // namespace pretrain
