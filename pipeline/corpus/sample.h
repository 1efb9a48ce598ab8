#pragma once
// A sample of the training text for the vocabulary. Thread-safe: free functions.

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

struct TextSample {
  std::vector<std::string> documents;
  /// Bytes of training text for each byte that was unpacked for it, by format: what markup, held-out text and
  /// pages that are not wanted leave. Formats that the sample did not meet are missing.
  std::map<TextFormat, double> text_shares;
};

/// Training documents, or parts of long ones, of about `max_bytes` in all, in UTF-8. No held-out text is
/// among them. Regions are visited in a seeded order and give at most a 32nd of `max_bytes` each, more only
/// when the corpus is too small for that; so the cost depends on `max_bytes` and not on the size of the
/// corpus. Of a compressed file without an entry point in the middle, the sample sees the beginning.
/// Shards that changed are skipped.
/// Errors: kData when the device fails; Stopped.
TextSample sample_text(const CorpusOptions& options, const Catalog& catalog, uint64_t max_bytes,
                       uint64_t seed, const std::stop_token& stop);

/// Bytes of training text in an epoch, estimated: what kinds of compressed files usually unpack to, by what
/// the sample found in that.
double estimate_text_bytes(const Catalog& catalog, const TextSample& sample);

}  // namespace pretrain
