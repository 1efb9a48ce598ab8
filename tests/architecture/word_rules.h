// SPDX-License-Identifier: Apache-2.0
#pragma once
// The words that comments, messages and documents avoid, and what to write instead: the glossary of
// CONTRIBUTING.md. Works on text, so that a test can plant a violation. Pure functions.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain::test {

struct AvoidedPhrase {
  std::string_view phrase;   ///< lower case, with single blanks
  std::string_view instead;  ///< for the message
  /// Files in which the phrase has its ordinary meaning.
  std::vector<std::string_view> exceptions = {};
};

/// All rows, in the order of the glossary.
std::span<const AvoidedPhrase> avoided_phrases();

/// Each avoided phrase in the file: "path:line: why". Ignores case. A phrase may continue on the next line of a
/// comment.
std::vector<std::string> word_faults(std::string_view path, std::string_view content);

}  // namespace pretrain::test
