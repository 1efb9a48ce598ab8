// SPDX-License-Identifier: Apache-2.0
#pragma once
// Compares inputs with the corpus of a run. Thread-safe: no state.

#include <cstddef>
#include <stop_token>
#include <string>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// The files that inputs and a catalog have in common.
struct CorpusMatch {
  size_t shards = 0;    ///< of the catalog
  size_t same = 0;      ///< shards that the inputs hold with the same size and content
  std::string example;  ///< a shard that they don't hold; empty if they hold all

  /// A corpus that was moved has most of its files; another corpus has none, or a name by chance.
  bool is_the_corpus() const { return 2 * same >= shards && same > 0; }
};

/// Looks up each shard of the catalog by name and compares sizes, and the contents of a few dozen shards,
/// which are enough for a large corpus.
/// Errors: kData when an input doesn't exist; Stopped.
CorpusMatch match_corpus(const CorpusOptions& options, Catalog catalog, const std::stop_token& stop = {});

/// Whether the inputs hold a file under the name of any shard of the catalog; cheap.
/// Errors: as match_corpus().
bool holds_any_shard(const CorpusOptions& options, Catalog catalog);

}  // namespace pretrain
