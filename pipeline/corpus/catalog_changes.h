// SPDX-License-Identifier: Apache-2.0
#pragma once
// What changed in a corpus from one epoch to the next. Thread-safe: free functions.

#include <string>
#include <vector>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// Names of shards, sorted.
struct CatalogChanges {
  std::vector<std::string> joined;
  std::vector<std::string> changed;  ///< whose content is another
  std::vector<std::string> lost;     ///< with the reason why each is not read any more

  bool none() const { return joined.empty() && changed.empty() && lost.empty(); }
};

CatalogChanges changes_between(const Catalog& before, const Catalog& now);

/// "2 more files (a, b), 1 changed (c), 1 less (d: it is gone)".
std::string describe(const CatalogChanges& changes);

}  // namespace pretrain
