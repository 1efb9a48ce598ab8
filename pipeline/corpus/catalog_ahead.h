// SPDX-License-Identifier: Apache-2.0
#pragma once
// Scans the corpus in the background while an epoch is still being read, so that the scan at the epoch's end
// has little left to do. Its results only save reading files that have not changed since: with or without it,
// the catalog of an epoch describes the corpus at the start of the epoch.

#include <atomic>
#include <functional>
#include <optional>
#include <stop_token>
#include <thread>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// Single-owner. Its thread starts in the constructor.
class CatalogAhead {
 public:
  /// `known` is the catalog of the epoch that is being read.
  CatalogAhead(CorpusOptions options, Catalog known);
  /// Stops the scan.
  ~CatalogAhead();
  CatalogAhead(const CatalogAhead&) = delete;
  CatalogAhead& operator=(const CatalogAhead&) = delete;

  /// Waits for the end of the scan and returns its catalog; nothing if it failed, which the scan at the
  /// epoch's end will report. Calls `on_progress` periodically while it makes progress. Call it once.
  /// Errors: Stopped.
  std::optional<Catalog> take(const std::stop_token& stop, const std::function<void()>& on_progress);

 private:
  void look(const std::stop_token& stop);

  CorpusOptions options_;
  Catalog known_;
  std::optional<Catalog> found_;
  std::atomic<uint64_t> files_{0};  // examined so far
  std::atomic<bool> done_{false};
  std::jthread thread_;
};

}  // namespace pretrain
