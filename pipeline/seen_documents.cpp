// SPDX-License-Identifier: Apache-2.0
#include "pipeline/seen_documents.h"

#include <algorithm>

#include "libs/base/check.h"
#include "libs/base/rng.h"
#include "pipeline/stream_fields.h"

namespace pretrain {
namespace {

/// A key can only be in its bucket, so a look-up reads these eight places, 32 bytes: half a line of the cache. With
/// fewer, a bucket would often be full while others are empty.
constexpr uint64_t kBucketKeys = 8;
/// Numbers of used places in the buckets are stored in four bits each.
constexpr uint64_t kCountBits = 4;
constexpr uint64_t kCountsInWord = 32 / kCountBits;

constexpr std::string_view kKeysArray = "seen_keys";
constexpr std::string_view kCountsArray = "seen_counts";
constexpr std::string_view kEvaluatedArray = "evaluated_keys";

/// A document has a key for its whole text, and with kNear one for each band of its MinHash.
uint64_t buckets_for(const DeduplicationOptions& options) {
  const uint64_t keys = options.mode == Deduplication::kExact ? 1 : 1 + DocumentSignature::kBands;
  return (options.documents * keys + kBucketKeys - 1) / kBucketKeys;
}

uint64_t words_of_counts(uint64_t buckets) {
  return (buckets + kCountsInWord - 1) / kCountsInWord;
}

/// The part of a key that a bucket holds. The other half chooses the bucket.
/// 0 means an empty place, so it is no key.
uint32_t part_of(uint64_t key) {
  return std::max<uint32_t>(1, static_cast<uint32_t>(key));
}

}  // namespace

SeenDocuments::SeenDocuments(const DeduplicationOptions& options)
    : mode_(options.mode), table_(buckets_for(options) * kBucketKeys) {
  PRETRAIN_CHECK(mode_ != Deduplication::kOff && options.documents > 0, "{} documents", options.documents);
}

uint64_t SeenDocuments::table_bytes(const DeduplicationOptions& options) {
  if (options.mode == Deduplication::kOff) return 0;
  return buckets_for(options) * kBucketKeys * sizeof(uint32_t);
}

uint64_t SeenDocuments::state_bytes(const DeduplicationOptions& options) {
  if (options.mode == Deduplication::kOff) return 0;
  return table_bytes(options) + words_of_counts(buckets_for(options)) * sizeof(uint32_t);
}

/// Bands get numbers, so that equal hashes of two bands are different keys.
std::span<const uint64_t> SeenDocuments::keys_of(const DocumentSignature& document, Keys& keys) const {
  keys[0] = split_mix64(document.text);
  if (mode_ == Deduplication::kExact || !document.has_words) return std::span(keys).first(1);
  for (size_t band = 0; band < DocumentSignature::kBands; ++band)
    keys[1 + band] = derive_seed(document.bands[band], 1 + band);
  return keys;
}

void SeenDocuments::set_evaluated(std::span<const DocumentSignature> documents) {
  evaluated_.clear();
  Keys keys{};
  for (const DocumentSignature& document : documents) {
    const std::span<const uint64_t> used = keys_of(document, keys);
    evaluated_.insert(evaluated_.end(), used.begin(), used.end());
  }
  std::ranges::sort(evaluated_);
}

/// A duplicate adds no keys of its own: else a chain of small changes could lead far away from the text
/// that is kept.
std::optional<SkipReason> SeenDocuments::find_or_add(const DocumentSignature& document) {
  Keys space{};
  const std::span<const uint64_t> keys = keys_of(document, space);
  if (is_evaluated(keys)) return SkipReason::kEvaluatedDuplicate;
  if (find(keys.front())) {
    for (const uint64_t key : keys.subspan(1)) (void)find(key);
    return SkipReason::kDuplicate;
  }
  bool found = false;
  for (const uint64_t key : keys.subspan(1)) found = find(key) || found;
  if (found) return SkipReason::kNearDuplicate;
  for (const uint64_t key : keys) add(key);
  return std::nullopt;
}

void SeenDocuments::forget() {
  std::ranges::fill(table_, 0);
}

/// Scales the upper half of the key to the number of buckets: a multiplication instead of a division.
std::span<uint32_t> SeenDocuments::bucket_of(uint64_t key) {
  const uint64_t buckets = table_.size() / kBucketKeys;
  const uint64_t bucket = (key >> 32U) * buckets >> 32U;
  return std::span(table_).subspan(bucket * kBucketKeys, kBucketKeys);
}

/// Whether the table has the key, which then becomes the first of its bucket.
bool SeenDocuments::find(uint64_t key) {
  const std::span<uint32_t> bucket = bucket_of(key);
  const auto found = std::ranges::find(bucket, part_of(key));
  if (found == bucket.end()) return false;
  std::rotate(bucket.begin(), found, found + 1);
  return true;
}

/// A bucket is in the order of last use, so the place that falls out at its end is the one unused for longest.
void SeenDocuments::add(uint64_t key) {
  const std::span<uint32_t> bucket = bucket_of(key);
  std::shift_right(bucket.begin(), bucket.end(), 1);
  bucket.front() = part_of(key);
}

bool SeenDocuments::is_evaluated(std::span<const uint64_t> keys) const {
  return std::ranges::any_of(keys, [&](uint64_t key) { return std::ranges::binary_search(evaluated_, key); });
}

/// Only used places are stored, so that a small corpus gives a small checkpoint.
void SeenDocuments::save(StreamState& state) const {
  const uint64_t buckets = table_.size() / kBucketKeys;
  std::vector<uint32_t> counts(words_of_counts(buckets));
  std::vector<uint32_t> keys;
  for (uint64_t bucket = 0; bucket < buckets; ++bucket) {
    const auto places = std::span(table_).subspan(bucket * kBucketKeys, kBucketKeys);
    const auto used = static_cast<uint32_t>(std::ranges::find(places, 0U) - places.begin());
    counts[bucket / kCountsInWord] |= used << (kCountBits * (bucket % kCountsInWord));
    keys.insert(keys.end(), places.begin(), places.begin() + used);
  }
  std::vector<uint32_t> evaluated;
  for (const uint64_t key : evaluated_) {
    evaluated.push_back(static_cast<uint32_t>(key));
    evaluated.push_back(static_cast<uint32_t>(key >> 32U));
  }
  state.arrays.push_back(to_array(std::string(kKeysArray), keys));
  state.arrays.push_back(to_array(std::string(kCountsArray), counts));
  state.arrays.push_back(to_array(std::string(kEvaluatedArray), evaluated));
}

void SeenDocuments::restore(const StreamState& state) {
  const std::vector<uint32_t> keys = values_of(state, kKeysArray);
  const std::vector<uint32_t> counts = values_of(state, kCountsArray);
  const std::vector<uint32_t> evaluated = values_of(state, kEvaluatedArray);
  const uint64_t buckets = table_.size() / kBucketKeys;
  if (counts.size() != words_of_counts(buckets))
    fail_stream(kArraysFile, fmt::format("'{}' is not for {} buckets", kCountsArray, buckets));
  if (evaluated.size() % 2 != 0) fail_stream(kArraysFile, fmt::format("'{}' ends in a key", kEvaluatedArray));
  forget();
  size_t taken = 0;
  for (uint64_t bucket = 0; bucket < buckets; ++bucket) {
    const uint32_t used = counts[bucket / kCountsInWord] >> (kCountBits * (bucket % kCountsInWord)) & 15U;
    if (used > kBucketKeys || used > keys.size() - taken)
      fail_stream(kArraysFile, fmt::format("'{}' and '{}' differ", kCountsArray, kKeysArray));
    std::copy_n(keys.begin() + static_cast<int64_t>(taken), used,
                table_.begin() + static_cast<int64_t>(bucket * kBucketKeys));
    taken += used;
  }
  if (taken != keys.size())
    fail_stream(kArraysFile, fmt::format("'{}' and '{}' differ", kCountsArray, kKeysArray));
  if (std::ranges::find(keys, 0U) != keys.end())
    fail_stream(kArraysFile, fmt::format("'{}' holds a zero", kKeysArray));
  evaluated_.clear();
  for (size_t i = 0; i < evaluated.size(); i += 2)
    evaluated_.push_back(evaluated[i] | static_cast<uint64_t>(evaluated[i + 1]) << 32U);
  std::ranges::sort(evaluated_);
}

DuplicateShares duplicate_shares(std::span<const std::string> documents) {
  DuplicateShares shares{.documents = documents.size()};
  if (documents.empty()) return shares;
  SeenDocuments seen({.mode = Deduplication::kNear, .documents = 2 * documents.size()});
  for (const std::string& document : documents) {
    shares.duplicates += seen.find_or_add(signature_of(document)) ? 1 : 0;
    shares.few_words +=
        count_words(document, DuplicateShares::kFewWords) < DuplicateShares::kFewWords ? 1 : 0;
  }
  return shares;
}

}  // namespace pretrain
