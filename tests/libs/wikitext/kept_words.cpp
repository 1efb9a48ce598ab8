// SPDX-License-Identifier: Apache-2.0
#include "tests/libs/wikitext/kept_words.h"

#include <algorithm>
#include <span>

namespace pretrain::test {
namespace {

using Words = std::span<const std::string_view>;

bool is_wide(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  return text.size() >= 3 && lead >= 0xE3 && lead <= 0xEF;  // U+3000 and up
}

/// The longest common subsequence.
size_t common(Words a, Words b) {
  std::vector<size_t> best(b.size() + 1, 0);
  for (const std::string_view word : a) {
    size_t diagonal = 0;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t above = best[j + 1];
      best[j + 1] = word == b[j] ? diagonal + 1 : std::max(above, best[j]);
      diagonal = above;
    }
  }
  return best.back();
}

struct Place {
  size_t kept = 0;
  size_t end = 0;
};

/// Windows of the fragment's own length begin at its first two words.
Place best_place(Words fragment, Words text, size_t from) {
  Place best{.kept = 0, .end = from};
  for (size_t at = from; at < text.size() && best.kept < fragment.size(); ++at) {
    const bool starts = text[at] == fragment[0] || (fragment.size() > 1 && text[at] == fragment[1]);
    if (!starts) continue;
    const Words window = text.subspan(at, std::min(fragment.size() + 2, text.size() - at));
    const size_t kept = common(fragment, window);
    if (kept > best.kept) best = {kept, at + kept};
  }
  return best;
}

}  // namespace

std::vector<std::string_view> words_of(std::string_view text) {
  constexpr std::string_view kSpaces = " \n\t";
  std::vector<std::string_view> words;
  while (!text.empty()) {
    size_t length = 1;
    if (is_wide(text)) {
      length = 3;
    } else if (kSpaces.find(text.front()) == std::string_view::npos) {
      while (length < text.size() && kSpaces.find(text[length]) == std::string_view::npos &&
             !is_wide(text.substr(length))) {
        ++length;
      }
    }
    if (kSpaces.find(text.front()) == std::string_view::npos) words.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return words;
}

KeptWords kept_words(const std::vector<std::string>& fragments, std::string_view text) {
  const auto words = words_of(text);
  KeptWords total;
  size_t from = 0;
  for (const std::string& fragment : fragments) {
    const auto marked = words_of(fragment);
    const Place place = best_place(marked, words, from);
    total.kept += place.kept;
    total.marked += marked.size();
    from = place.end;
  }
  return total;
}

}  // namespace pretrain::test
