// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/line_writer.h"

#include <algorithm>
#include <span>
#include <utility>

#include "libs/base/utf8.h"
#include "libs/wikitext/punctuation.h"
#include "libs/wikitext/quantities.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

/// More runs of apostrophes than any line of prose has; beyond this they are dropped without balancing, so that
/// a page of apostrophes takes no multiple of its size.
constexpr size_t kMostRuns = 4096;

/// What ends a line inside of the current one.
constexpr ByteSet kInnerEnds("\n\x1E");
static_assert(kInnerEnds.holds(kItemMark));

void skip_spaces(std::string_view& text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
}

void skip_separators(std::string_view& text) {
  for (size_t length = 1; length > 0; text.remove_prefix(length)) {
    skip_spaces(text);
    length = separator_at_start(text);
  }
}

/// Bytes and no branches, so that the compiler vectorises the loop.
bool has_double_space(std::string_view text) {
  uint8_t found = 0;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    const auto space = static_cast<uint8_t>(text[i] == ' ');
    const auto another = static_cast<uint8_t>(text[i + 1] == ' ');
    found = static_cast<uint8_t>(found | (space & another));
  }
  return found != 0;
}

/// The first bytes of what special_at() finds.
constexpr std::string_view kLeads = "\xC2\xE2\xEF";

/// The length of a wide space at `at`, or of a character that shows nothing and joins nothing: zero-width space, soft
/// hyphen, marks of direction, word joiner, byte order mark; 0 for any other. Joiners (U+200C, U+200D) change words, and
/// stay. On bytes, because Chinese commas have one of the first bytes, too.
size_t special_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : 0; };
  const int second = byte(1);
  const int third = byte(2);
  switch (byte(0)) {
    case 0xC2:
      return second == 0xA0 || second == 0xAD ? 2 : 0;
    case 0xEF:
      return second == 0xBB && third == 0xBF ? 3 : 0;
    case 0xE2:
      if (second == 0x80)
        return third == 0x8B || third == 0x8E || third == 0x8F || (third >= 0xAA && third <= 0xAF) ? 3 : 0;
      return second == 0x81 && (third == 0xA0 || (third >= 0xA6 && third <= 0xA9)) ? 3 : 0;
    default:
      return 0;
  }
}

/// Looks for one byte at a time, as libraries do fastest; most lines have none of them.
bool holds_special(std::string_view text) {
  return std::ranges::any_of(kLeads, [&](char lead) {
    for (size_t at = text.find(lead); at != std::string_view::npos; at = text.find(lead, at + 1)) {
      if (special_at(text, at) > 0) return true;
    }
    return false;
  });
}

/// Turns wide spaces into plain ones and drops what is invisible.
void replace_special(std::string& text) {
  if (!holds_special(text)) return;
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = special_at(text, at);
    const std::string_view character = std::string_view(text).substr(at, length);
    if (character == "\u00A0" || character == "\u202F") {
      text[end++] = ' ';
    } else if (length == 0) {
      text[end++] = text[at];
    }
    at += std::max<size_t>(length, 1);
  }
  text.resize(end);
}

/// Whether a pair of quotation marks holds nothing: `"` before and after a gap without spaces.
bool is_quoted_nothing(std::string_view before, std::string_view piece) {
  if (!before.ends_with('"') || !piece.starts_with('"')) return false;
  return before.size() == 1 ||
         std::string_view(" (").find(before[before.size() - 2]) != std::string_view::npos;
}

/// What stands before how a name is pronounced.
bool announces_sounds(std::string_view word) {
  constexpr std::string_view kWords[] = {"pronounced", "pronunciation", "wym.",          "wymowa",
                                         "Aussprache", "prononcé",      "prononciation", "pronúncia",
                                         "pronuncia",  "pronunciación", "uitspraak",     "uttal",
                                         "výslovnost", "вимова",        "произношение"};
  return std::ranges::find(kWords, word) != std::end(kWords);
}

bool is_conjunction(std::string_view word) {
  constexpr std::string_view kWords[] = {"or", "and", "also", "oder", "und", "ou", "et", "o",  "y",
                                         "e",  "или", "и",    "lub",  "i",   "of", "en", "або"};
  return std::ranges::find(kWords, word) != std::end(kWords);
}

bool ends_in_stop(std::string_view text) {
  return text.ends_with('.') || text.ends_with('!') || text.ends_with('?');
}

}  // namespace

// ---- repairs around dropped markup

/// Repairs the gap before `piece` as far as `piece` determines it, and returns the rest, to be appended.
std::string_view LineWriter::close_gap(std::string_view piece) {
  while (gap_ && !piece.empty()) {
    const bool spaced = is_space(piece.front());
    std::string_view rest = piece;
    skip_spaces(rest);
    if (rest.empty()) {  // it is not known yet what follows
      if (!line_is_empty() && line_.back() != ' ') line_ += ' ';
      return rest;
    }
    piece = rest;
    if (close_after_opening(piece)) continue;
    gap_ = false;
    if (closing_at_start(piece) > 0) {
      close_before_closing(piece);
    } else if (stop_at_start(piece) > 0) {
      close_before_stop(piece);
    } else if ((spaced || stands_apart(piece)) && !line_is_empty() && line_.back() != ' ') {
      line_ += ' ';
    }
    apart_ = false;
  }
  return piece;
}

/// Whether a word would join the one before it across something that is shown in a place of its own.
bool LineWriter::stands_apart(std::string_view piece) const {
  if (!apart_ || line_is_empty() || joins_without_space(line_, piece)) return false;
  constexpr std::string_view kJoining = "\"'-/([ ";
  const size_t first = std::max<size_t>(utf8_length(piece.front()), 1);
  return has_words(piece.substr(0, first)) && kJoining.find(line_.back()) == std::string_view::npos;
}

/// "( ; born" to "(born", "(;)" to nothing. Whether the line ended in an opening bracket or was empty.
bool LineWriter::close_after_opening(std::string_view& piece) {
  const std::string_view before = trim(std::string_view(line_).substr(floor_));
  if (is_quoted_nothing(before, piece)) {
    line_.pop_back();
    piece.remove_prefix(1);
    return true;
  }
  const size_t opening = opening_at_end(before);
  if (opening == 0 && !before.empty()) return false;
  trim_line_end(false);
  skip_separators(piece);
  if (piece.empty()) return true;
  const size_t closing = closing_at_start(piece);
  gap_ = opening > 0 && closing > 0;
  if (gap_) {
    line_.resize(line_.size() - opening);
    piece.remove_prefix(closing);
  }
  return true;
}

/// "born ; )" to "born)", "(or )" to nothing.
void LineWriter::close_before_closing(std::string_view& piece) {
  trim_line_end(true);
  drop_bare_label();
  if (opening_at_end(std::string_view(line_).substr(floor_)) > 0 || drop_bare_words()) {
    gap_ = true;
  }
  if (gap_ && !close_after_opening(piece)) gap_ = false;
}

/// "born , in" to "born, in", "(Latin: ; born" to "(born", "He left. ." to "He left."
void LineWriter::close_before_stop(std::string_view& piece) {
  const bool spaced = !line_.empty() && line_.back() == ' ';
  trim_line_end(stop_at_start(piece) > 0);
  if (spaced && piece.front() == '.' && ends_in_stop(std::string_view(line_).substr(floor_)))
    piece.remove_prefix(1);
  if (separator_at_start(piece) == 0 || !drop_bare_label()) return;
  gap_ = opening_at_end(std::string_view(line_).substr(floor_)) > 0;
}

void LineWriter::trim_line_end(bool separators) {
  for (;;) {
    const std::string_view content = std::string_view(line_).substr(floor_);
    size_t length = !content.empty() && is_space(content.back()) ? 1 : 0;
    if (separators && length == 0) length = separator_at_end(content);
    if (length == 0) return;
    line_.resize(line_.size() - length);
  }
}

/// Removes a conjunction or a dash that is alone after an opening bracket.
bool LineWriter::drop_bare_words() {
  constexpr size_t kLongest = 16;
  const std::string_view content =
      std::string_view(line_).substr(std::max(floor_, line_.size() - std::min(kLongest, line_.size())));
  const size_t bracket = content.find_last_of('(');
  if (bracket == std::string_view::npos) return false;
  const std::string_view word = trim(content.substr(bracket + 1));
  if (!is_conjunction(word) && word != "-" && word != "–" && word != "—") return false;
  line_.resize(line_.size() - (content.size() - bracket - 1));
  return true;
}

/// Removes a label in brackets whose text was dropped: "Latin:" of "(born 1900; Latin:", "pronounced".
bool LineWriter::drop_bare_label() {
  constexpr size_t kLongest = 48;
  const std::string_view content =
      std::string_view(line_).substr(std::max(floor_, line_.size() - std::min(kLongest, line_.size())));
  const bool label = content.ends_with(':') || content.ends_with("：");
  const size_t start = content.find_last_of("(,;");
  if (start == std::string_view::npos || line_.find('(') == std::string::npos) return false;
  if (!label && !announces_sounds(trim(content.substr(start + 1)))) return false;
  const bool bracket = content[start] == '(';
  line_.resize(line_.size() - (content.size() - start - (bracket ? 1 : 0)));
  return true;
}

// ---- emphasis

void LineWriter::apostrophes(size_t count) {
  const size_t kept = count == 4 ? 1 : count > 5 ? count - 5 : 0;
  if (kept > 0) text(std::string(kept, '\''));
  if (apostrophes_.size() < kMostRuns)
    apostrophes_.push_back({line_.size(), std::min<size_t>(count - kept, 5), before_apostrophes()});
}

/// Looks at the last two bytes between the previous run and here. A link or tag is no space there.
LineWriter::Before LineWriter::before_apostrophes() const {
  const size_t previous = apostrophes_.empty() ? 0 : std::min(apostrophes_.back().position, line_.size());
  const std::string_view between = std::string_view(line_).substr(previous);
  const size_t after_markup = line_.size() - std::min(solid_, line_.size());
  if (between.empty() || (solid_ > 0 && after_markup == 0)) return Before::kWord;
  if (between.back() == ' ') return Before::kSpace;
  const bool one_letter =
      between.size() > 1 && between[between.size() - 2] == ' ' && (solid_ == 0 || after_markup > 1);
  return one_letter ? Before::kOneLetter : Before::kWord;
}

/// If both bold and italics stay open, one bold run is an apostrophe before italics, as in "l'''île''": the first
/// after a word of one letter, else the first after a longer word, else the first after a space.
/// Source: MediaWiki, the parser's handling of quotes.
void LineWriter::balance_apostrophes(size_t first) {
  const auto runs = std::span(apostrophes_).subspan(first);
  const auto odd = [&](size_t other) {
    return std::ranges::count_if(runs, [&](const Apostrophes& run) { return run.count != other; }) % 2 == 1;
  };
  if (!odd(2) || !odd(3)) return;
  for (const Before before : {Before::kOneLetter, Before::kWord, Before::kSpace}) {
    const auto run =
        std::ranges::find_if(runs, [&](const Apostrophes& r) { return r.count == 3 && r.before == before; });
    if (run == runs.end()) continue;
    line_.insert(std::min(run->position, line_.size()), 1, '\'');
    return;
  }
}

/// As in MediaWiki, what a label leaves open does not count in its line.
void LineWriter::settle_apostrophes(size_t runs) {
  if (runs < apostrophes_.size()) balance_apostrophes(runs);
  apostrophes_.resize(std::min(runs, apostrophes_.size()));
}

void LineWriter::raise_since(size_t mark) {
  if (mark < floor_ || mark >= line_.size()) return;
  const std::string form = raised_text(trim(std::string_view(line_).substr(mark)));
  if (!form.empty()) line_.replace(mark, std::string::npos, form);
}

// ---- marks

LineWriter::Mark LineWriter::mark() {
  const Mark mark{
      .position = line_.size(), .floor = floor_, .runs = apostrophes_.size(), .gap = gap_, .apart = apart_};
  floor_ = line_.size();
  gap_ = apart_ = false;
  return mark;
}

void LineWriter::cut(const Mark& mark) {
  line_.resize(mark.position);
  floor_ = mark.floor;
  gap_ = mark.gap;
  apart_ = mark.apart;
  apostrophes_.resize(std::min(mark.runs, apostrophes_.size()));
  if (solid_ > mark.position) solid_ = 0;
}

/// A gap before it needs no repair by what follows it.
void LineWriter::inner_line_end() {
  line_ += '\n';
  gap_ = apart_ = false;
}

void LineWriter::drop_last(char byte) {
  if (!line_is_empty() && line_.back() == byte) line_.pop_back();
}

// ---- lines

/// Trims the line, drops what is invisible in it and collapses its spaces.
void LineWriter::tidy_line() {
  replace_special(line_);
  if (has_double_space(line_)) {
    const auto twice = [](char a, char b) { return a == ' ' && b == ' '; };
    line_.erase(std::unique(line_.begin(), line_.end(), twice), line_.end());
  }
  const std::string_view content = trim(line_);
  const auto start = static_cast<size_t>(content.data() - line_.data());
  const size_t size = content.size();
  line_.resize(content.empty() ? 0 : start + size);
  if (start > 0) line_.erase(0, start);
}

void LineWriter::end_line(LineKind kind, size_t level) {
  settle_apostrophes(0);
  floor_ = solid_ = 0;
  gap_ = apart_ = false;
  if (std::exchange(lost_, false)) line_ = without_broken_sentences(line_, language_);
  if (line_.empty()) {
    holed_ = false;
    return;
  }
  if (kind == LineKind::kHeading) {
    std::ranges::replace(line_, kItemMark, ' ');
    std::ranges::replace(line_, '\n', ' ');
    tidy_line();
    end_heading(level);
  } else if (line_.find('\n') == std::string::npos && line_.find(kItemMark) == std::string::npos) {
    tidy_line();
    end_tidied(kind);
  } else {
    end_lines(kind);
  }
  holed_ = false;
  line_.clear();
}

/// A template has put several lines into one: each is a line of its own, and the first continues the line.
void LineWriter::end_lines(LineKind kind) {
  const std::string lines = std::move(line_);
  for (size_t at = 0; at <= lines.size();) {
    const size_t end = kInnerEnds.find(lines, at);
    line_.assign(lines, at, end - at);
    tidy_line();
    end_tidied(kind);
    kind = LineKind::kOwn;
    at = end + 1;
  }
}

/// A number alone is meaningless once markup was dropped around it, and so is an item that lost its beginning.
void LineWriter::end_tidied(LineKind kind) {
  const bool headless = holed_ && line_.starts_with(". ");
  if (headless && kind == LineKind::kOwn) return;
  if (headless) line_.erase(0, 2);
  if (holed_ ? has_letters(line_) : has_words(line_)) put_line(kind);
}

/// A line that begins with `level` equals signs is a heading if it also ends with one.
void LineWriter::end_heading(size_t level) {
  size_t closing = 0;
  while (closing < level && line_.ends_with('=')) {
    line_.pop_back();
    ++closing;
  }
  if (closing == 0) {
    line_.insert(0, level, '=');
    if (has_words(line_)) put_line(LineKind::kOwn);
    return;
  }
  line_.insert(0, level - closing, '=');
  tidy_line();
  if (!has_words(line_)) return;
  while (!headings_.empty() && headings_.back().level >= closing) headings_.pop_back();
  headings_.push_back({closing, line_});
}

void LineWriter::put_headings() {
  for (const Heading& heading : headings_) {
    if (out_.size() > start_) out_ += "\n\n";
    out_ += heading.text;
    last_ = LineKind::kHeading;
  }
  headings_.clear();
}

std::string_view LineWriter::separator_before(LineKind kind) const {
  if (out_.size() == start_) return "";
  if (last_ == LineKind::kHeading || kind == LineKind::kOwn) return "\n";
  if (last_ == LineKind::kOwn && !break_) return "\n\n";
  if (blank_) return "\n\n";
  if (break_) return "\n";
  return joins_without_space(out_, line_) ? "" : " ";
}

void LineWriter::put_line(LineKind kind) {
  put_headings();
  out_ += separator_before(kind);
  out_ += line_;
  last_ = kind;
  blank_ = false;
  break_ = false;
}

}  // namespace pretrain::wikitext
