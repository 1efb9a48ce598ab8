// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/skipper.h"

#include <algorithm>
#include <array>

#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;

/// The open runs of braces, innermost last. Deeper ones are only counted.
/// Source: MediaWiki's preprocessor: a closing run closes as many braces as the innermost opening run has, at
/// most three at once; a single brace that is left is text.
class BraceStack {
 public:
  bool empty() const { return depth_ == 0; }

  void open(size_t count) {
    if (depth_ == kDepth) {
      counts_[depth_ - 1] += count;
    } else {
      counts_[depth_++] = count;
    }
  }

  /// Returns how many of `count` braces were closed.
  size_t close(size_t count) {
    size_t taken = 0;
    while (depth_ > 0 && count - taken >= 2) {
      size_t& open = counts_[depth_ - 1];
      const size_t pair = std::min<size_t>({count - taken, open, 3});
      taken += pair;
      open -= pair;
      if (open < 2) --depth_;
    }
    return taken;
  }

 private:
  static constexpr size_t kDepth = 64;
  std::array<size_t, kDepth> counts_{};
  size_t depth_ = 0;
};

/// The end of the mark that the line begins with after indentation, which MediaWiki allows for tables; npos when
/// it begins with none of `marks`. A table in an argument is written with templates for its bars.
size_t mark_on_line(std::string_view page, size_t line, std::initializer_list<std::string_view> marks) {
  const size_t first = page.find_first_not_of(" \t:", line);
  if (first == npos) return npos;
  for (const std::string_view mark : marks) {
    if (page.substr(first).starts_with(mark)) return first + mark.size();
  }
  return npos;
}

}  // namespace

Skipper::Skipper(std::string_view page) : page_(page), closings_(tag_count()) {}

/// Whether the line looks like prose after unclosed markup: it is not empty, a row, an argument or an end.
bool Skipper::prose_goes_on(size_t line) const {
  constexpr size_t kMostSpaces = 8;
  size_t at = line;
  while (at < page_.size() && at < line + kMostSpaces && (page_[at] == ' ' || page_[at] == '\t')) ++at;
  return at < page_.size() && std::string_view("|!{}\n\r<*:#]").find(page_[at]) == npos;
}

/// Counts opening and closing braces and skips comments and tags with literal content. Remembers the first
/// place where prose seems to continue, and returns it if the braces are never closed.
size_t Skipper::braces_end(size_t position) {
  static constexpr ByteSet kStops("{}<\n");
  BraceStack open;
  size_t at = position;
  size_t paragraph_end = position;  // the first of the line ends last seen
  size_t prose = npos;
  while ((at = kStops.find(page_, at)) < page_.size()) {
    const size_t run = page_[at] == '<' || page_[at] == '\n' ? 1 : run_length(page_, at);
    switch (page_[at]) {
      case '{':
        if (run >= 2) open.open(run);
        at += run;
        break;
      case '}': {
        const size_t taken = run >= 2 ? open.close(run) : 0;
        if (open.empty()) return work_ += at - position, at + taken;
        at += run;
        break;
      }
      case '<':
        at = opaque_end(at);
        break;
      default:
        if (page_[at - 1] != '\n') paragraph_end = at;
        ++at;
        if (prose == npos && prose_goes_on(at)) prose = paragraph_end;
        if (prose != npos && !is_patient()) return work_ += at - position, prose;
    }
  }
  work_ += page_.size() - position;
  lose_patience();
  return std::min(prose, page_.size());
}

/// Counts the starts and ends of tables at the beginning of lines; templates in cells are skipped as a whole.
size_t Skipper::table_end(size_t position) {
  static constexpr ByteSet kStops("{<\n");
  size_t depth = 1;
  size_t at = position + 2;
  size_t paragraph_end = position;  // the first of the line ends last seen
  size_t prose = npos;
  while ((at = kStops.find(page_, at)) < page_.size()) {
    if (page_[at] == '<') {
      at = opaque_end(at);
    } else if (page_[at] == '{') {
      at = page_.substr(at).starts_with("{{") ? braces_end(at) : at + 1;
    } else {
      if (page_[at - 1] != '\n') paragraph_end = at;
      ++at;
      if (mark_on_line(page_, at, {"{|", "{{(!}}", "{{{!}}"}) != npos) ++depth;
      const size_t end = mark_on_line(page_, at, {"|}", "{{!)}}", "{{!}}}"});
      if (end != npos && --depth == 0) return work_ += at - position, end;
      if (prose == npos && prose_goes_on(at)) prose = paragraph_end;
      if (prose != npos && !is_patient()) return work_ += at - position, prose;
    }
  }
  work_ += page_.size() - position;
  lose_patience();
  return std::min(prose, page_.size());
}

/// A caption has no blank line, so the search ends there at the latest.
size_t Skipper::file_end(size_t position) {
  static constexpr ByteSet kStops("[]{<\n");
  size_t depth = 0;
  bool in_address = false;
  size_t at = position;
  size_t line_end = npos;
  while ((at = kStops.find(page_, at)) < page_.size()) {
    const bool twice = at + 1 < page_.size() && page_[at + 1] == page_[at];
    const char byte = page_[at];
    if (byte == '\n') {
      line_end = std::min(line_end, at);
      if (twice || !is_patient()) break;
      ++at;
    } else if (byte == '<') {
      at = opaque_end(at);
    } else if (!twice || (in_address && byte == ']' && run_length(page_, at) == 3)) {
      in_address = byte == '[' || (in_address && byte != ']');
      ++at;
    } else if (byte == '{') {
      at = braces_end(at);
    } else {
      at += 2;
      depth += byte == '[' ? 1 : -1;
      if (depth == 0) return work_ += at - position, at;
    }
  }
  work_ += std::min(at, page_.size()) - position;
  lose_patience();
  return std::min(line_end, page_.size());
}

// The next three searches remember their last result: a page with many unclosed comments or tags would
// otherwise be searched to its end for each of them, which is quadratic.

size_t Skipper::find_comment_end(size_t from) {
  if (from >= comment_.from && from <= comment_.at) return comment_.at;
  const size_t at = page_.find("-->", from);
  work_ += std::min(at, page_.size()) - from;
  comment_ = {from, at};
  return at;
}

/// A comment that is never closed ends with its line.
size_t Skipper::comment_end(size_t position) {
  const size_t end = find_comment_end(std::min(position + 4, page_.size()));
  if (end != npos) return end + 3;
  const size_t line_end = std::min(page_.find('\n', position), page_.size());
  work_ += line_end - position;
  return line_end;
}

size_t Skipper::find_closing(const Tag& tag, size_t from) {
  Found& known = closings_[tag_index(tag)];
  if (from >= known.from && from <= known.at) return known.at;
  size_t at = page_.find('<', from);
  while (at != npos && !closes_at(page_, at, tag.name)) at = page_.find('<', at + 1);
  work_ += std::min(at, page_.size()) - from;
  known = {from, at};
  return at;
}

size_t Skipper::find_heading(size_t from) {
  if (from >= heading_.from && from <= heading_.at) return heading_.at;
  const size_t at = page_.find("\n==", from);
  work_ += std::min(at, page_.size()) - from;
  heading_ = {from, at};
  return at;
}

/// A reference is short, so one that is not closed before the next heading is taken as unclosed.
size_t Skipper::closing_tag(const TagUse& use) {
  const size_t at = find_closing(*use.tag, use.end);
  if (at == npos || use.tag->name != "ref") return at;
  return find_heading(use.end) < at ? npos : at;
}

size_t Skipper::opaque_end(size_t position) {
  if (page_.substr(position).starts_with("<!--")) return comment_end(position);
  const auto use = parse_tag(page_, position, work_);
  if (!use || use->closing || use->self_closing) return position + 1;
  const TagKind kind = use->tag->kind;
  const bool opaque = kind == TagKind::kDrop || kind == TagKind::kDropBlock || kind == TagKind::kCode ||
                      kind == TagKind::kLiteral || kind == TagKind::kFormula;
  if (!opaque) return position + 1;
  const size_t closing = closing_tag(*use);
  return closing == npos ? position + 1 : std::min(page_.find('>', closing), page_.size() - 1) + 1;
}

/// A row outside of a table ends with its line, except for templates and comments that continue on later
/// lines.
size_t Skipper::row_end(size_t position) {
  static constexpr ByteSet kStops("{<\n");
  size_t at = position;
  while ((at = kStops.find(page_, at)) < page_.size() && page_[at] != '\n') {
    if (page_[at] == '<') {
      at = opaque_end(at);
    } else {
      at = page_.substr(at).starts_with("{{") ? braces_end(at) : at + 1;
    }
  }
  work_ += at - position;
  return at;
}

}  // namespace pretrain::wikitext
