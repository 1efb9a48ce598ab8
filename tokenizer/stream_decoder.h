#pragma once
// Decoding while the ids still come: text leaves as soon as its characters are whole. Single-owner.

#include <cstdint>
#include <string>

namespace pretrain {

class Tokenizer;

class StreamDecoder {
 public:
  /// Requires: the tokenizer outlives this and is not moved.
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  /// Takes one id and returns what can be shown now: whole characters only. Byte pieces of a character that
  /// is not complete are held back; a byte that can't be part of a character becomes U+FFFD.
  /// Requires: id < tokenizer.vocabulary_size().
  std::string push(uint32_t id);

  /// Returns what is held back, each byte as U+FFFD, and starts afresh.
  std::string flush();

 private:
  const Tokenizer& tokenizer_;
  std::string held_;  // the start of one character, at most 3 bytes between calls
};

}  // namespace pretrain
