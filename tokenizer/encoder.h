// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a kind of tokenizer does to text. Tokenizer holds one.

#include <cstdint>
#include <string_view>
#include <vector>

namespace pretrain {

/// Immutable; thread-safe.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// Appends the ids of `text`, as Tokenizer::encode() describes it.
  /// Requires: text is valid UTF-8.
  virtual void encode(std::string_view text, std::vector<uint32_t>& ids) const = 0;
};

}  // namespace pretrain
