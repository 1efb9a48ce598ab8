#pragma once
// A look at the corpus in the background, while an epoch is still being read, so that the one at the epoch's
// end finds little left to do. What it finds is only ever used to save reading files that did not change
// since: the catalog of an epoch is what the corpus is when the epoch begins, with or without this.

#include <atomic>
#include <functional>
#include <optional>
#include <stop_token>
#include <thread>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// Single-owner; works on a thread of its own from the constructor on.
class CatalogAhead {
 public:
  /// `known` is the catalog of the epoch that is being read.
  CatalogAhead(CorpusOptions options, Catalog known);
  /// Stops the look.
  ~CatalogAhead();
  CatalogAhead(const CatalogAhead&) = delete;
  CatalogAhead& operator=(const CatalogAhead&) = delete;

  /// Waits for the end of the look and returns what was found; nothing when it failed, which the look at the
  /// epoch's end will report. `on_progress` is called now and then as long as it advances. Called once.
  /// Errors: Stopped.
  std::optional<Catalog> take(const std::stop_token& stop, const std::function<void()>& on_progress);

 private:
  void look(const std::stop_token& stop);

  CorpusOptions options_;
  Catalog known_;
  std::optional<Catalog> found_;
  std::atomic<uint64_t> files_{0};  // that were looked at so far
  std::atomic<bool> done_{false};
  std::jthread thread_;
};

}  // namespace pretrain
