// SPDX-License-Identifier: Apache-2.0
#pragma once
// The documents of an epoch that were trained on, to find copies of them in a fixed amount of memory. Which
// documents are duplicates depends on the order in which they are asked for, and on nothing else.
//
// A document is remembered by 17 keys: its text and its 16 bands (kExact: its text). The table keeps 32 bits of
// each in one of many buckets of eight. A full bucket forgets the key that was not met for the longest time; so texts of which
// many copies come are remembered best, and a document is forgotten key by key. Two different
// documents have the same key by accident with a probability of 17 x 8 / 2^32: three in a hundred million.
//
//   if (const auto reason = seen.find_or_add(signature_of(text))) skip(*reason);   // for each document, in order
//   seen.forget();                                                                 // at the end of the epoch

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libs/data/batch_source.h"
#include "pipeline/corpus/catalog.h"
#include "pipeline/corpus/document_signature.h"
#include "pipeline/corpus/skip_reason.h"

namespace pretrain {

struct DeduplicationOptions {
  Deduplication mode = Deduplication::kOff;
  uint64_t documents = 1'000'000;  ///< to remember: 68 bytes each, 4 with kExact
};

/// Single-owner.
class SeenDocuments {
 public:
  /// Requires: a mode other than kOff, and at least one document.
  explicit SeenDocuments(const DeduplicationOptions& options);

  /// The documents of the evaluation set, which are never forgotten.
  void set_evaluated(std::span<const DocumentSignature> documents);

  /// Why the document is to be skipped: kEvaluatedDuplicate, kDuplicate or kNearDuplicate. Remembers it if there
  /// is no reason.
  std::optional<SkipReason> find_or_add(const DocumentSignature& document);
  /// Forgets all documents except those of the evaluation set: another epoch begins.
  void forget();

  /// Memory of the table, and most bytes of it in a checkpoint.
  static uint64_t table_bytes(const DeduplicationOptions& options);
  static uint64_t state_bytes(const DeduplicationOptions& options);

  /// Appends its state.
  void save(StreamState& state) const;
  /// Errors: kData when the state does not fit the options.
  void restore(const StreamState& state);

 private:
  static constexpr size_t kKeys = 1 + DocumentSignature::kBands;
  using Keys = std::array<uint64_t, kKeys>;

  /// The keys that count; the first one is that of the text.
  std::span<const uint64_t> keys_of(const DocumentSignature& document, Keys& keys) const;
  std::span<uint32_t> bucket_of(uint64_t key);
  bool find(uint64_t key);
  void add(uint64_t key);
  bool is_evaluated(std::span<const uint64_t> keys) const;

  Deduplication mode_;
  std::vector<uint32_t> table_;      // buckets of parts of keys, the one met last first; 0: unused
  std::vector<uint64_t> evaluated_;  // keys, sorted
};

/// What of some documents the options could skip.
struct DuplicateShares {
  uint64_t documents = 0;
  uint64_t duplicates = 0;  ///< copies or near copies of one before
  uint64_t few_words = 0;   ///< with fewer than kFewWords words

  static constexpr uint64_t kFewWords = 50;
};
DuplicateShares duplicate_shares(std::span<const std::string> documents);

}  // namespace pretrain
