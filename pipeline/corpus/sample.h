// SPDX-License-Identifier: Apache-2.0
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
  uint64_t invalid_utf8 = 0;    ///< malformed byte runs that were replaced
  bool found_held_out = false;  ///< whether there was text that is held out
  /// Bytes of training text for each decompressed byte, by format: less than 1 because of markup, held-out
  /// text and unwanted pages. Only has formats that are in the sample.
  std::map<TextFormat, double> text_shares;
};

/// Training documents, or parts of long ones, of about `max_bytes` in total, in UTF-8, without held-out text.
/// Regions are visited in a seeded order, and each gives at most a 32nd of `max_bytes` unless the corpus is
/// too small; so the cost depends on `max_bytes` and not on the size of the corpus. A compressed file that
/// can't be entered in the middle is only sampled at its start. Shards that changed are skipped.
/// Errors: kData when the device fails; Stopped.
TextSample sample_text(const CorpusOptions& options, const Catalog& catalog, uint64_t max_bytes,
                       uint64_t seed, const std::stop_token& stop);

/// Estimated bytes of training text in an epoch: the usual compression ratios times the shares found in the
/// sample.
double estimate_text_bytes(const Catalog& catalog, const TextSample& sample);

}  // namespace pretrain
