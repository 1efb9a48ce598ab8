// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/line_writer.h"

#include <algorithm>

#include "libs/wikitext/punctuation.h"
#include "libs/wikitext/quantities.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

/// More runs of apostrophes than any line of prose has; beyond this they are dropped without balancing.
constexpr size_t kMostRuns = 64;

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

void replace_all(std::string& text, std::string_view from, char to) {
  size_t at = text.find(from);
  if (at == std::string::npos) return;
  size_t end = at;
  while (at < text.size()) {
    const bool found = std::string_view(text).substr(at).starts_with(from);
    text[end++] = found ? to : text[at];
    at += found ? from.size() : 1;
  }
  text.resize(end);
}

bool is_conjunction(std::string_view word) {
  constexpr std::string_view kWords[] = {"or", "and", "also", "oder", "und", "ou", "et", "o",  "y",
                                         "e",  "или", "и",    "lub",  "i",   "of", "en", "або"};
  return std::ranges::find(kWords, word) != std::end(kWords);
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
    } else if (spaced && !line_is_empty() && line_.back() != ' ') {
      line_ += ' ';
    }
  }
  return piece;
}

/// "( ; born" to "(born", "(;)" to nothing. Whether the line ended in an opening bracket or was empty.
bool LineWriter::close_after_opening(std::string_view& piece) {
  const std::string_view before = trim(std::string_view(line_).substr(floor_));
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
  if (opening_at_end(std::string_view(line_).substr(floor_)) > 0 || drop_bare_conjunction()) {
    gap_ = true;
  }
  if (gap_ && !close_after_opening(piece)) gap_ = false;
}

/// "born , in" to "born, in".
void LineWriter::close_before_stop(std::string_view& piece) {
  trim_line_end(stop_at_start(piece) > 0);
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

/// Removes a conjunction that is alone after an opening bracket.
bool LineWriter::drop_bare_conjunction() {
  constexpr size_t kLongest = 16;
  const std::string_view content =
      std::string_view(line_).substr(std::max(floor_, line_.size() - std::min(kLongest, line_.size())));
  const size_t bracket = content.find_last_of('(');
  if (bracket == std::string_view::npos) return false;
  if (!is_conjunction(trim(content.substr(bracket + 1)))) return false;
  line_.resize(line_.size() - (content.size() - bracket - 1));
  return true;
}

// ---- emphasis

void LineWriter::apostrophes(size_t count) {
  const size_t kept = count == 4 ? 1 : count > 5 ? count - 5 : 0;
  if (kept > 0) text(std::string(kept, '\''));
  if (apostrophes_.size() < kMostRuns)
    apostrophes_.push_back({line_.size(), std::min<size_t>(count - kept, 5)});
}

/// If both bold and italics stay open, one bold run was an apostrophe before italics, as in "l'''île''".
/// Source: MediaWiki, the parser's handling of quotes.
void LineWriter::balance_apostrophes() {
  size_t bold = 0;
  size_t italic = 0;
  const Apostrophes* chosen = nullptr;
  for (const Apostrophes& run : apostrophes_) {
    if (run.count != 2) ++bold;
    if (run.count != 3) ++italic;
    const bool after_word =
        run.position > 0 && run.position <= line_.size() && line_[run.position - 1] != ' ';
    if (run.count != 3 || !after_word) continue;
    const bool one_letter = run.position >= 2 && line_[run.position - 2] == ' ';
    if (chosen == nullptr || one_letter) chosen = &run;
    if (one_letter) break;
  }
  if (bold % 2 == 1 && italic % 2 == 1 && chosen != nullptr) line_.insert(chosen->position, 1, '\'');
}

void LineWriter::raise_since(size_t mark) {
  if (mark < floor_ || mark >= line_.size()) return;
  const std::string form = raised_text(trim(std::string_view(line_).substr(mark)));
  if (!form.empty()) line_.replace(mark, std::string::npos, form);
}

// ---- marks

LineWriter::Mark LineWriter::mark() {
  const Mark mark{.position = line_.size(), .floor = floor_, .gap = gap_};
  floor_ = line_.size();
  gap_ = false;
  return mark;
}

void LineWriter::cut(const Mark& mark) {
  line_.resize(mark.position);
  floor_ = mark.floor;
  gap_ = mark.gap;
  while (!apostrophes_.empty() && apostrophes_.back().position > mark.position) apostrophes_.pop_back();
}

void LineWriter::drop_last(char byte) {
  if (!line_is_empty() && line_.back() == byte) line_.pop_back();
}

// ---- lines

/// Trims the line and collapses its spaces.
void LineWriter::tidy_line() {
  for (const std::string_view wide : {"\u00A0", "\u202F"}) replace_all(line_, wide, ' ');
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
  if (!apostrophes_.empty()) balance_apostrophes();
  apostrophes_.clear();
  floor_ = 0;
  gap_ = false;
  if (line_.empty()) {
    holed_ = false;
    return;
  }
  tidy_line();
  if (kind == LineKind::kHeading) {
    end_heading(level);
  } else if (holed_ ? has_letters(line_)
                    : has_words(line_)) {  // a number alone is meaningless once markup was dropped around it
    put_line(kind);
  }
  holed_ = false;
  line_.clear();
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
