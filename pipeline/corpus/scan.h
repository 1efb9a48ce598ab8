#pragma once
// A look at the files of a corpus, which makes the catalog of an epoch. Thread-safe: free functions.

#include <functional>
#include <stop_token>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// How a scan is stopped, what it tells, and what it may use.
struct ScanHooks {
  std::stop_token stop = {};
  std::function<void()> on_file = {};  ///< a file, or a folder, was looked at
  const Catalog* seen = nullptr;  ///< what another look found; files that were not touched since are not read
};

/// Finds and examines all files. Hidden and half-copied files (.part, .tmp), and what can't be read as text,
/// are rejected with a reason, so is a file that grows during the scan; nothing blocks on a FIFO or device.
/// `known`, the catalog of the epoch before, saves examining files that are unchanged in it, which also keep
/// the names they had there; and there are no warnings then.
/// Errors: kData when an input doesn't exist or no readable shard is left; Stopped.
Catalog scan_corpus(const CorpusOptions& options, const Catalog* known = nullptr,
                    const ScanHooks& hooks = {});
inline Catalog scan_corpus(const CorpusOptions& options, const Catalog* known, const std::stop_token& stop) {
  return scan_corpus(options, known, ScanHooks{.stop = stop});
}

}  // namespace pretrain
