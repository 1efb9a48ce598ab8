// SPDX-License-Identifier: Apache-2.0
// Links within the wiki and out of it.

#include <algorithm>

#include "libs/wikitext/entities.h"
#include "libs/wikitext/scanner.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;

constexpr std::string_view kSchemes[] = {
    "http://",   "https://", "//",     "ftp://", "mailto:", "news:", "irc://",
    "gopher://", "ftps://",  "git://", "svn://", "ircs://", "tel:",  "magnet:"};

constexpr size_t kLongestScheme = 9;
static_assert(std::ranges::all_of(kSchemes, [](std::string_view scheme) {
  return scheme.size() <= kLongestScheme && (scheme == "//" || scheme.find(':') != npos);
}));

/// The first line rules out nearly all links within the wiki without comparing schemes.
bool starts_with_scheme(std::string_view text) {
  if (!text.starts_with("//") && text.substr(0, kLongestScheme).find(':') == npos) return false;
  return std::ranges::any_of(kSchemes, [&](std::string_view scheme) {
    return text.size() > scheme.size() &&
           std::ranges::equal(text.substr(0, scheme.size()), scheme, {}, lower);
  });
}

/// The text that MediaWiki shows for an empty label: the target without namespace, brackets, and anything
/// after a comma.
std::string_view short_name(std::string_view target) {
  const size_t colon = target.find(':');
  if (colon != npos) target.remove_prefix(colon + 1);
  const size_t bracket = target.ends_with(')') ? target.rfind(" (") : npos;
  if (bracket != npos) return target.substr(0, bracket);
  return target.substr(0, target.find(", "));
}

}  // namespace

bool MarkupScanner::is_url(size_t position) const {
  return starts_with_scheme(page_.substr(std::min(position, page_.size())));
}

void MarkupScanner::open_bracket() {
  const bool twice = page_.substr(at_ + 1).starts_with('[');
  if (is_url(at_ + (twice ? 2 : 1))) {
    at_ += twice ? 1 : 0;
    return open_external();
  }
  if (twice) return open_link();
  literal(1);
}

void MarkupScanner::open_link() {
  static constexpr ByteSet kStops("|]\n[{<");
  constexpr size_t kLongestTarget = 600;
  const std::string_view head = page_.substr(at_ + 2, kLongestTarget);
  const size_t stop = kStops.find(head, 0);
  skipper_.add_work(stop);
  const bool dropped = words_.link_kind(head.substr(0, stop)) != LinkKind::kArticle;
  const size_t end = at_ + 2 + stop;
  if (dropped) {
    at_ = skipper_.file_end(at_);
    return after_removal();
  }
  const char byte = stop < head.size() ? head[stop] : '\n';
  if (byte == ']' && page_.substr(end).starts_with("]]")) return plain_link(end);
  if (byte == '|') return labelled_link(end);
  at_ += 2;
  const bool open = byte == '{' || byte == '<';
  if (open && push({.kind = FrameKind::kTarget})) frames_.back().mark = writer_.mark();
}

/// `[[target]]`: the target is the text, without the colon that keeps a category or file from being one.
void MarkupScanner::plain_link(size_t end) {
  std::string_view target = trim(page_.substr(at_ + 2, end - at_ - 2));
  if (target.starts_with(':')) target.remove_prefix(1);
  at_ = end + 2;
  if (target.empty()) return after_removal();
  if (target.find('&') == npos) return writer_.text(target);
  std::string label;
  append_decoded(target, label);
  if (label.empty()) return after_removal();
  writer_.text(label);
}

/// `[[target|label]]`: only the label is text, so the target is skipped and the label is read as usual.
void MarkupScanner::labelled_link(size_t bar) {
  const std::string_view target = trim(page_.substr(at_ + 2, bar - at_ - 2));
  at_ = bar + 1;
  if (page_.substr(at_).starts_with("]]")) {
    writer_.text(short_name(target));
    at_ += 2;
    return;
  }
  // When the stack is full, the label is text and the closing brackets are ignored.
  push({.kind = FrameKind::kLink});
}

/// `[address label]`: the label is text. Without a label the link is dropped, because its number means
/// nothing.
void MarkupScanner::open_external() {
  static constexpr ByteSet kStops(" ]\n\t<[");
  const size_t end = kStops.find(page_, at_ + 1);
  skipper_.add_work(end - at_);
  const char byte = end < page_.size() ? page_[end] : '\n';
  if (byte == ']') {
    at_ = end + 1;
    return after_removal();
  }
  if (byte == '\n' || byte == '[') {  // no link: the address is text
    ++at_;
    return;
  }
  at_ = std::min(page_.find_first_not_of(" \t", end), page_.size());
  push({.kind = FrameKind::kExternal});
}

void MarkupScanner::close_bracket() {
  const bool twice = page_.substr(at_ + 1).starts_with(']');
  if (!frames_.empty() && frames_.back().kind == FrameKind::kExternal) {
    pop_to(frames_.size() - 1);
    ++at_;
    return;
  }
  if (!twice) return literal(1);
  at_ += 2;
  if (!close_link()) writer_.removed();
}

/// Closes the innermost link inside the innermost braces.
bool MarkupScanner::close_link() {
  const size_t brace = innermost_brace();
  const size_t first = brace == npos ? 0 : brace + 1;
  for (size_t i = frames_.size(); i-- > first;) {
    if (frames_[i].kind == FrameKind::kExternal) continue;
    pop_to(i);
    return true;
  }
  return false;
}

}  // namespace pretrain::wikitext
