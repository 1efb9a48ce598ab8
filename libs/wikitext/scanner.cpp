// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/scanner.h"

#include <algorithm>

#include "libs/wikitext/entities.h"
#include "libs/wikitext/punctuation.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;

/// Deeper than any page nests markup with text. Bounds the cost, because each level may move its text once.
constexpr size_t kDeepest = 24;

/// Whether the line is a table row or cell. A heading cell must have attributes or several cells, because
/// prose may begin with `!`.
bool is_table_row(std::string_view line) {
  if (line.front() != '!') return line.front() == '|';
  constexpr size_t kMostAttributes = 200;
  line = line.substr(0, kMostAttributes);
  line = line.substr(0, line.find_first_of("\n["));
  return line.find('|') != npos || line.find("!!") != npos;
}

}  // namespace

/// Reads the page, again from an unclosed brace if necessary; what is open at the end is closed.
void MarkupScanner::run() {
  start_line();
  skipper_.add_work(at_);
  do {
    scan();
  } while (give_up_braces());
  pop_to(0);
  end_line();
}

/// The main loop: text up to the next byte that may be markup goes to the writer, then markup() handles that
/// byte. Prose has few such bytes, so most of the time is spent in the search.
void MarkupScanner::scan() {
  static constexpr ByteSet kMarkup("\n[]{}'<&|_=\x1E");
  static constexpr ByteSet kMarkupOfTerm("\n[]{}'<&|_=:\x1E");
  const size_t start = at_;
  while (at_ < page_.size()) {
    if (restart_) restart_line();
    const size_t next = (term_ ? kMarkupOfTerm : kMarkup).find(page_, at_);
    if (next > at_) writer_.text(page_.substr(at_, next - at_));
    at_ = next;
    if (at_ < page_.size()) markup(page_[at_]);
  }
  skipper_.add_work(at_ - std::min(start, at_));
}

void MarkupScanner::markup(char byte) {
  switch (byte) {
    case '\n':
      return newline();
    case '[':
      return open_bracket();
    case ']':
      return close_bracket();
    case '{':
      return open_braces();
    case '}':
      return close_braces();
    case '\'':
      return apostrophes();
    case '<':
      return angle();
    case '&':
      return entity();
    case '|':
      return bar();
    case '=':
      return equals();
    case '_':
      return underscore();
    case ':':
      return colon();
    default:
      ++at_;  // kItemMark, which no dump holds
  }
}

void MarkupScanner::literal(size_t count) {
  writer_.text(page_.substr(at_, count));
  at_ += count;
}

bool MarkupScanner::push(Frame frame) {
  if (frames_.size() >= kDeepest) return false;
  frame.first_argument = arguments_.size();
  frame.runs = writer_.apostrophe_runs();
  frames_.push_back(frame);
  return true;
}

size_t MarkupScanner::innermost_brace() const {
  for (size_t i = frames_.size(); i-- > 0;) {
    if (frames_[i].kind <= FrameKind::kVariant) return i;
  }
  return npos;
}

/// Closes frames and keeps their text.
void MarkupScanner::pop_to(size_t size) {
  while (frames_.size() > size) {
    const Frame& frame = frames_.back();
    const Loss loss = frame.loss;
    if (frame.kind <= FrameKind::kTarget) writer_.release(frame.mark);
    arguments_.resize(frame.first_argument);
    frames_.pop_back();
    if (!frames_.empty()) frames_.back().loss = std::max(frames_.back().loss, loss);
  }
}

// ---- lines

void MarkupScanner::end_line() {
  writer_.end_line(kind_, heading_level_);
  superscript_ = npos;
  ruby_ = Ruby::kNone;
  term_ = false;
}

/// The label of a link may continue on the next line, as in MediaWiki, but not in the next paragraph.
void MarkupScanner::newline() {
  const size_t brace = innermost_brace();
  if (brace != npos) return newline_in_braces(brace);
  static constexpr ByteSet kBlockMarks("\n\r =*#:;{|");
  const bool goes_on = at_ + 1 < page_.size() && !kBlockMarks.holds(page_[at_ + 1]);
  ++at_;
  if (!frames_.empty() && frames_.back().kind == FrameKind::kLink && goes_on && kind_ == LineKind::kText) {
    writer_.text(" ");
    return;
  }
  pop_to(0);
  end_line();
  start_line();
}

/// Only blocks hold paragraphs; elsewhere a blank line or a heading means that the braces are never closed.
void MarkupScanner::newline_in_braces(size_t brace) {
  const Frame& frame = frames_[brace];
  const bool block = frame.kind == FrameKind::kTemplate && frame.rule->pattern.is_block();
  const std::string_view next = page_.substr(at_ + 1, 2);
  const bool over = next == "==" || (!block && next.starts_with('\n'));
  if (!skipper_.is_patient()) {
    pop_to(0);
    return newline();
  }
  if (over && give_up_braces()) return;
  while (at_ < page_.size() && is_space(page_[at_])) ++at_;
  const size_t first = std::min(page_.find_first_not_of("*#:;", at_), page_.size());
  const bool list = first > at_;
  at_ = first;
  if (list) {
    writer_.verbatim(std::string_view(&kItemMark, 1));
  } else if (block) {
    writer_.inner_line_end();
  } else if (!joins_without_space(writer_.line(), page_.substr(at_))) {
    writer_.verbatim(" ");
  }
}

/// Determines the kind of a line from its first bytes. A line that begins with a space is preformatted in
/// MediaWiki, so it is not joined with others.
void MarkupScanner::start_line() {
  kind_ = verse_ ? LineKind::kOwn : LineKind::kText;
  heading_level_ = 0;
  const size_t start = at_;
  while (at_ < page_.size() && is_space(page_[at_]) && page_[at_] != '\n') ++at_;
  if (at_ == page_.size()) return;
  if (page_[at_] == '\n') return writer_.blank_line();
  if (at_ > start && page_[start] == ' ') kind_ = LineKind::kOwn;
  start_block(page_[at_]);
}

/// Handles markup at the start of a line.
void MarkupScanner::start_block(char byte) {
  static constexpr ByteSet kListMarks("*#:;");
  const std::string_view line = page_.substr(at_);
  if (kListMarks.holds(byte)) {
    kind_ = LineKind::kOwn;
    at_ += std::min(line.find_first_not_of("*#:; \t"), line.size());
    const size_t marks = std::min(line.find_first_not_of("*#:;"), line.size());
    term_ = frames_.empty() && line[marks - 1] == ';';
    if (at_ < page_.size() && page_[at_] != '=') start_block(page_[at_]);
  } else if (byte == '=') {
    kind_ = LineKind::kHeading;
    heading_level_ = std::min<size_t>(run_length(page_, at_), 6);
    at_ += heading_level_;
  } else if (line.starts_with("{|") || line.starts_with("{{(!}}") || line.starts_with("{{{!}}")) {
    at_ = skipper_.table_end(at_);
    after_removal();
    if (frames_.empty()) writer_.blank_line();
  } else if (frames_.empty() && is_table_row(line)) {  // a row without a table
    at_ = skipper_.row_end(at_);
    writer_.removed();
  } else if (line.starts_with("----")) {
    at_ += run_length(page_, at_);
    if (frames_.empty()) writer_.blank_line();
  }
}

/// After markup was dropped at the start of a line, a heading or a list may follow.
void MarkupScanner::after_removal() {
  restart_ = frames_.empty() && writer_.line_is_empty() && kind_ == LineKind::kText;
  writer_.removed();
}

/// Dropped markup at the start of a line, such as a template, may be followed by a heading or a list.
void MarkupScanner::restart_line() {
  restart_ = false;
  const size_t next = std::min(page_.find_first_not_of(' ', at_), page_.size());
  if (next == page_.size() || std::string_view("=*#{|").find(page_[next]) == npos) return;
  at_ = next;
  start_block(page_[at_]);
}

// ---- single marks

void MarkupScanner::apostrophes() {
  const size_t count = run_length(page_, at_);
  if (count == 1) return literal(1);
  writer_.apostrophes(count);
  at_ += count;
}

void MarkupScanner::entity() {
  std::string character;
  const size_t length = decode_entity(page_, at_, character);
  if (length == 0) return literal(1);
  writer_.text(character);
  at_ += length;
}

/// The first `=` of an argument ends its name.
void MarkupScanner::equals() {
  literal(1);
  if (frames_.empty() || frames_.back().kind != FrameKind::kTemplate || frames_.back().function) return;
  if (arguments_.size() == frames_.back().first_argument) return;
  Argument& argument = arguments_.back();
  if (argument.equals == npos) argument.equals = writer_.position() - 1;
}

/// The first colon after a term, `; term : definition`, begins its definition. One in an address does not.
void MarkupScanner::colon() {
  if (!frames_.empty() || page_.substr(at_).starts_with("://")) return literal(1);
  ++at_;
  end_line();
  kind_ = LineKind::kOwn;
}

/// A behaviour switch, `__NOTOC__`, is dropped.
void MarkupScanner::underscore() {
  constexpr size_t kLongest = 120;  // longer than any switch; bounds the search for the end
  const size_t run = run_length(page_, at_);
  if (run != 2) return literal(run);
  const std::string_view head = page_.substr(at_, kLongest);
  const size_t end = head.find("__", 2);
  skipper_.add_work(head.size());
  if (end == npos || !words_.is_switch(head.substr(0, end + 2))) return literal(2);
  at_ += end + 2;
  after_removal();
}

}  // namespace pretrain::wikitext
