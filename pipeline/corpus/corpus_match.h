#pragma once
// Whether some inputs are the corpus that a run reads. Thread-safe: no state.

#include <cstddef>
#include <stop_token>
#include <string>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// What the inputs have in common with a catalog.
struct CorpusMatch {
  size_t shards = 0;    ///< of the catalog
  size_t same = 0;      ///< those that the inputs hold with the same size and content
  std::string example;  ///< one that they don't hold so; empty when they hold all

  /// A corpus that moved brings most of its files along; another one has none of them, or a name by chance.
  bool is_the_corpus() const { return 2 * same >= shards && same > 0; }
};

/// Looks for each shard of the catalog by its name, and compares sizes and some of the contents: of a large
/// corpus those of a few dozen shards speak for the others.
/// Errors: kData when an input doesn't exist; Stopped.
CorpusMatch match_corpus(const CorpusOptions& options, Catalog catalog, const std::stop_token& stop = {});

/// Whether the inputs hold a file under the name of any shard of the catalog; cheap.
/// Errors: as above.
bool holds_any_shard(const CorpusOptions& options, Catalog catalog);

}  // namespace pretrain
