// SPDX-License-Identifier: Apache-2.0
#pragma once
// Joins the bytes of a word to tokens, pair by pair in the order of the merges. Immutable; thread-safe.

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/byte_pair_model.h"

namespace pretrain {

class PairMerger {
 public:
  /// Requires: a token for each byte, as parse_tokenizer_json() checks.
  explicit PairMerger(const BytePairModel& model);

  /// Appends the tokens of a word. The pair of the earliest merge is joined first, of equal ones the leftmost, until
  /// no pair is left. Takes O(n log n) for n bytes.
  void merge(std::string_view word, std::vector<uint32_t>& ids) const;

 private:
  struct Join {
    uint64_t pair = 0;        ///< left and right id
    uint32_t rank = kNoRank;  ///< kNoRank: a free place
    uint32_t joined = 0;
  };
  class Word;
  static constexpr uint32_t kNoRank = UINT32_MAX;

  /// Null when the two are never joined.
  const Join* find(uint32_t left, uint32_t right) const;
  Join& place_of(uint64_t pair);

  std::array<uint32_t, 256> byte_ids_ = {};
  std::vector<Join> joins_;  // by hash, with open addressing; a power of two, at most half full
};

}  // namespace pretrain
