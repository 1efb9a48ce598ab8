// SPDX-License-Identifier: Apache-2.0
#pragma once
// Encodes text with a byte-level BPE vocabulary: finds added tokens, normalizes, splits into words, joins bytes.
// Ids equal those of the library `tokenizers` with encode_special_tokens and without special tokens added.
// Immutable; thread-safe.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/byte_pair_model.h"
#include "tokenizer/encoder.h"
#include "tokenizer/pair_merger.h"
#include "tokenizer/text_splitter.h"

namespace pretrain {

/// Finds the names of added tokens in a text: of several the leftmost, of those that begin there the longest. The name
/// of a special token is not found, and no other within it.
class AddedTokens {
 public:
  void add(std::string name, uint32_t id, bool is_special);
  bool empty() const { return names_.empty(); }

  struct Found {
    size_t at, bytes;
    uint32_t id;
  };
  /// Nothing when none is there.
  std::optional<Found> find(std::string_view text) const;

 private:
  struct Name {
    uint32_t id;
    bool is_special;
  };

  std::unordered_map<std::string, Name> names_;
  std::vector<size_t> lengths_;  // that names have, the longest first
  std::string first_bytes_;      // of names
};

class BytePairEncoder : public Encoder {
 public:
  explicit BytePairEncoder(const BytePairModel& model);

  void encode(std::string_view text, std::vector<uint32_t>& ids) const override;

 private:
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  void encode_normalized(std::string_view text, std::vector<uint32_t>& ids) const;
  void encode_plain(std::string_view text, std::vector<uint32_t>& ids) const;
  void encode_word(std::string_view word, std::vector<uint32_t>& ids) const;
  void collect_words(const BytePairModel& model);

  TextSplitter splitter_;
  PairMerger merger_;
  bool is_composed_;
  AddedTokens added_, added_after_normalization_;
  std::unordered_map<std::string, uint32_t, StringHash, std::equal_to<>> words_;  // that are single tokens
};

}  // namespace pretrain
