// SPDX-License-Identifier: Apache-2.0
#pragma once
// The training text of a vocabulary: the characters that get their own piece, and the sample, cut into lines
// that the trainer does not drop for their length. Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace pretrain {

/// The characters that a vocabulary holds; all others are encoded as bytes.
class Alphabet {
 public:
  /// Chooses the most frequent characters of the documents, at most `limit`: always the first 256, so that a
  /// small alphabet is complete, then more until they cover 99.95 % of the text. The blank is always
  /// included, control characters never.
  Alphabet(const std::vector<std::string>& documents, size_t limit);

  bool contains(uint32_t code_point) const { return characters_.contains(code_point); }
  size_t size() const { return characters_.size(); }
  /// Whether the documents have any text to train on.
  bool has_text() const { return has_text_; }

 private:
  std::unordered_set<uint32_t> characters_;
  bool has_text_ = false;
};

/// Iterates over documents line by line. A line ends at a control character, at a character outside of the
/// alphabet, and before a blank near 4 KiB, so that no text is dropped for its length. Skips empty lines.
/// Requires: documents and alphabet outlive this.
class TrainingLines {
 public:
  TrainingLines(const std::vector<std::string>& documents, const Alphabet& alphabet);

  /// The current line; empty at the end.
  const std::string& line() const { return line_; }
  void next();

 private:
  void read_line();

  const std::vector<std::string>& documents_;
  const Alphabet& alphabet_;
  size_t document_ = 0;
  bool done_ = false;
  std::string_view rest_;
  std::string line_;
};

}  // namespace pretrain
