// SPDX-License-Identifier: Apache-2.0
#pragma once
// How much of what was marked on a page is found in a text, in order.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain::test {

struct KeptWords {
  size_t kept = 0;
  size_t marked = 0;
};

/// Words, and single characters of scripts without spaces.
std::vector<std::string_view> words_of(std::string_view text);

/// Counts the words of the fragments that `text` holds, fragment after fragment: each is looked for after the
/// one before it, at the place that keeps most of its words in their order.
KeptWords kept_words(const std::vector<std::string>& fragments, std::string_view text);

}  // namespace pretrain::test
