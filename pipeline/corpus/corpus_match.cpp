// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/corpus_match.h"

#include <algorithm>

#include "libs/base/error.h"
#include "pipeline/corpus/identify.h"
#include "pipeline/corpus/known_shards.h"

namespace pretrain {
namespace {

/// Number of contents to compare. Each costs a dozen reads, a tenth of a second on a hard disk.
constexpr size_t kContentsCompared = 64;

bool holds(const Shard& shard, bool compare_content) {
  if (shard.path.empty()) return false;
  try {
    const ReadableFile file(shard.path);
    return file.size() == shard.size_bytes && (!compare_content || identify(file) == shard.hash);
  } catch (const Error&) {
    return false;  // reading it later reports the error
  }
}

}  // namespace

/// Compares contents at regular intervals of the sorted names, so that all folders are covered.
CorpusMatch match_corpus(const CorpusOptions& options, Catalog catalog, const std::stop_token& stop) {
  locate_shards(options, catalog);
  CorpusMatch match{.shards = catalog.shards.size(), .example = ""};
  const size_t stride = std::max<size_t>(1, match.shards / kContentsCompared);
  for (size_t i = 0; i < match.shards; ++i) {
    if (stop.stop_requested()) throw Stopped();
    const Shard& shard = catalog.shards[i];
    if (holds(shard, i % stride == 0)) {
      ++match.same;
    } else if (match.example.empty()) {
      match.example = shard.name;
    }
  }
  return match;
}

/// Distinguishes another corpus from one that has changed. Files are only read if none has the name and size.
bool holds_any_shard(const CorpusOptions& options, Catalog catalog) {
  locate_shards(options, catalog);
  return std::ranges::any_of(catalog.shards, [](const Shard& shard) { return !shard.path.empty(); });
}

}  // namespace pretrain
