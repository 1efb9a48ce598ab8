// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/broken_sentence.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "libs/base/utf8.h"
#include "libs/wikitext/letter_case.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr std::string_view kWideStops[] = {"。", "！", "？", "।", "؟"};

bool is_stop(char byte) {
  return byte == '.' || byte == '!' || byte == '?';
}

/// Whether a number with a stop is an ordinal in this language: "am 3. Mai", "3. května".
bool has_ordinal_stops(std::string_view language) {
  constexpr std::string_view kLanguages =
      " als bar bs cs da de dsb et eu fi fo frr gsw hr hsb hu is ksh lb lv nb nds nn no pfl sh sk sl sr stq tr vo ";
  return kLanguages.find(concat({" ", language, " "})) != std::string_view::npos;
}

/// "U.S" and "J.-C", before their last stop.
bool is_initials(std::string_view word) {
  const size_t stop = word.find('.');
  if (stop == std::string_view::npos || stop == 0) return false;
  size_t letters = 0;
  for (const char byte : word) {
    if (byte == '.' || byte == '-') {
      letters = 0;
    } else if (!continues_utf8(byte) && ++letters > 1) {
      return false;
    }
  }
  return true;
}

/// Whether the stop at `at` ends a sentence: a space follows, then no small letter, and it is not that of an initial,
/// of a short abbreviation with one capital or of a day or other small ordinal.
bool ends_sentence(std::string_view line, size_t at, bool ordinal_stops) {
  if (at + 1 == line.size()) return true;
  if (line[at + 1] != ' ') return false;
  const size_t next = std::min(line.find_first_not_of(' ', at + 1), line.size() - 1);
  if (begins_with_small_letter(line.substr(next))) return false;
  if (line[at] != '.') return true;
  constexpr std::ptrdiff_t kLongestAbbreviation = 3;
  std::string_view word = line.substr(0, at).substr(line.rfind(' ', at) + 1);
  while (!word.empty() && (word.front() == kLossMark || word.front() == '(' || word.front() == '"'))
    word.remove_prefix(1);
  if (word.empty()) return true;
  if (ordinal_stops && word.size() <= 2 && std::ranges::all_of(word, is_digit)) return false;
  constexpr unsigned char kFirstOfOthers = 0x80;  // other scripts are letters here
  const auto is_part = [](char c) { return is_letter(c) || static_cast<unsigned char>(c) >= kFirstOfOthers; };
  if (line[at] == '.' && is_initials(word)) return false;
  if (!std::ranges::all_of(word, is_part)) return true;
  const auto letters = std::ranges::count_if(word, [](char c) { return !continues_utf8(c); });
  const bool capital = with_first_small(word, "") != word;
  const bool acronym = in_capitals(word) == word;  // "PCT", unlike "Gen"
  return letters > kLongestAbbreviation || (letters > 1 && (!capital || acronym));
}

/// The end of the sentence that begins at `start`, with the spaces after it.
size_t sentence_end(std::string_view line, size_t start, bool ordinal_stops) {
  for (size_t at = start; at < line.size(); ++at) {
    if (at > start && (line[at] == '\n' || line[at] == kItemMark)) return at;
    const auto* wide = std::ranges::find_if(kWideStops, [&](std::string_view mark) {
      return line[at] == mark[0] && line.substr(at).starts_with(mark);
    });
    const bool is_wide = wide != std::end(kWideStops);
    if (!is_wide && !(is_stop(line[at]) && ends_sentence(line, at, ordinal_stops))) continue;
    at += is_wide ? wide->size() : 1;
    return std::min(line.find_first_not_of(' ', at), line.size());
  }
  return line.size();
}

/// Start and end of the round brackets around `position`, with the space before them; equal when there are none.
std::pair<size_t, size_t> brackets_around(std::string_view sentence, size_t position) {
  constexpr size_t kReach = 300;  // bounds the cost of a call
  const size_t first = position - std::min(position, kReach);
  const size_t opening = sentence.substr(first, position + 1 - first).find_last_of("()");
  if (opening == std::string_view::npos || sentence[first + opening] != '(') return {0, 0};
  const std::string_view rest = sentence.substr(position + 1, kReach);
  const size_t closing = rest.find_first_of("()");
  if (closing == std::string_view::npos || rest[closing] != ')') return {0, 0};
  size_t start = first + opening;
  while (start > 0 && sentence[start - 1] == ' ') --start;
  return {start, position + 1 + closing + 1};
}

/// What can be kept of a sentence.
std::string whole_part(std::string_view sentence) {
  std::string kept;
  size_t copied = 0;
  for (size_t at = sentence.find(kLossMark); at != std::string_view::npos;
       at = sentence.find(kLossMark, at + 1)) {
    if (at < copied) continue;
    const auto [start, end] = brackets_around(sentence, at);
    if (start == end) return "";
    kept += sentence.substr(copied, std::max(start, copied) - copied);
    copied = end;
  }
  return kept += sentence.substr(copied);
}

}  // namespace

std::string without_broken_sentences(std::string_view line, std::string_view language) {
  const bool ordinal_stops = has_ordinal_stops(language);
  std::string kept;
  for (size_t at = 0; at < line.size();) {
    const size_t end = sentence_end(line, at, ordinal_stops);
    kept += whole_part(line.substr(at, end - at));
    at = end;
  }
  return kept;
}

}  // namespace pretrain::wikitext
