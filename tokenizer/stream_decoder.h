// SPDX-License-Identifier: Apache-2.0
#pragma once
// Decodes ids one by one and returns text as soon as its characters are complete. Single-owner.
//
//   StreamDecoder decoder(tokenizer);
//   for (const uint32_t id : ids) show(decoder.push(id));
//   show(decoder.flush());

#include <cstdint>
#include <string>

#include "libs/base/utf8.h"

namespace pretrain {

class Tokenizer;

class StreamDecoder {
 public:
  /// Requires: the tokenizer outlives this and is not moved.
  explicit StreamDecoder(const Tokenizer& tokenizer);

  /// Adds one id and returns the text that is now complete. Keeps the byte pieces of an incomplete character;
  /// what can't be part of a character becomes U+FFFD.
  /// Requires: id < tokenizer.vocabulary_size().
  std::string push(uint32_t id);

  /// Returns the U+FFFD of an incomplete character, and resets the decoder.
  std::string flush();

 private:
  const Tokenizer& tokenizer_;
  Utf8Stream text_;
};

}  // namespace pretrain
