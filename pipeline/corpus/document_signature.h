// SPDX-License-Identifier: Apache-2.0
#pragma once
// What of a document is compared to find its copies: a hash of its bytes, and hashes that similar texts probably
// share. Thread-safe: pure functions.
//
// Two texts are similar when they share many of their runs of five words (Jaccard index). 128 minima of the
// hashes of these runs estimate it; they are cut into 16 bands of 8, and two documents are near duplicates
// when all 8 minima of some band agree. So a pair with the index J is found with the probability
// 1 - (1 - J^8)^16: 1 % at 0.4, 6 % at 0.5, 24 % at 0.6, 61 % at 0.7, 95 % at 0.8, 99.99 % at 0.9.
//
// A word is a run of letters and digits; ASCII letters count without case. In scripts without spaces between words
// (Han, kana, Thai, Lao, Burmese, Khmer) each character counts as a word.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pretrain {

/// The smallest hash in each of 128 parts of the space of hashes.
constexpr size_t kMinima = 128;
using MinHash = std::array<uint32_t, kMinima>;

struct DocumentSignature {
  static constexpr size_t kBands = 16;
  static constexpr size_t kRows = kMinima / kBands;

  uint64_t text = 0;                     ///< of all bytes
  bool has_words = false;                ///< otherwise there are no bands
  std::array<uint64_t, kBands> bands{};  ///< of the minima of each band

  bool operator==(const DocumentSignature&) const = default;
};

/// Counts at most `most` words.
uint64_t count_words(std::string_view text, uint64_t most = UINT64_MAX);

/// Empty for a text without words. Bytes that are not UTF-8 count as letters.
/// Source: Li, Owen and Zhang, "One permutation hashing"; Shrivastava, "Optimal densification for fast and
/// accurate minwise hashing".
std::optional<MinHash> min_hash_of(std::string_view text);
/// Share of minima that agree, which estimates the Jaccard index.
double similarity(const MinHash& a, const MinHash& b);

DocumentSignature signature_of(std::string_view text);

}  // namespace pretrain
