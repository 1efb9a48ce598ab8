// SPDX-License-Identifier: Apache-2.0
#pragma once
// Scans the files of a corpus and makes the catalog of an epoch. Thread-safe: free functions.

#include <functional>
#include <stop_token>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// Stop and progress of a scan, and an earlier result that it may use.
struct ScanHooks {
  std::stop_token stop = {};
  std::function<void()> on_file = {};  ///< called for each file and folder
  const Catalog* seen = nullptr;       ///< result of an earlier scan; files not changed since are not read
};

/// Finds and examines all files. Rejects, with a reason, hidden and partly copied files (.part, .tmp), files
/// that are not text, and files that grow during the scan; never blocks on a FIFO or device. `known`, the
/// catalog of the previous epoch, saves examining unchanged files, which also keep their names; then there
/// are no warnings.
/// Errors: kData when an input doesn't exist or no readable shard is left; Stopped.
Catalog scan_corpus(const CorpusOptions& options, const Catalog* known = nullptr,
                    const ScanHooks& hooks = {});
inline Catalog scan_corpus(const CorpusOptions& options, const Catalog* known, const std::stop_token& stop) {
  return scan_corpus(options, known, ScanHooks{.stop = stop});
}

}  // namespace pretrain
