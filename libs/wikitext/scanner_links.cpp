// SPDX-License-Identifier: Apache-2.0
// Links within the wiki and out of it.

#include <algorithm>

#include "libs/wikitext/entities.h"
#include "libs/wikitext/scanner.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;

// Source: MediaWiki, $wgUrlProtocols.
constexpr std::string_view kSchemes[] = {
    "http://", "https://", "//",       "ftp://",    "mailto:",     "news:",   "irc://",   "gopher://",
    "ftps://", "git://",   "svn://",   "ircs://",   "tel:",        "magnet:", "bitcoin:", "geo:",
    "matrix:", "mms://",   "nntp://",  "sftp://",   "sip:",        "sips:",   "sms:",     "ssh://",
    "urn:",    "xmpp:",    "redis://", "telnet://", "worldwind://"};

constexpr size_t kLongestScheme = 12;
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

/// The length of the blank at the start of `text` that ends an address: any space of Unicode.
size_t blank_at_start(std::string_view text) {
  constexpr std::string_view kBlanks[] = {"\u00A0", "\u1680", "\u202F", "\u205F", "\u3000"};
  if (text.empty()) return 0;
  if (text.front() == ' ' || text.front() == '\t') return 1;
  if (static_cast<unsigned char>(text.front()) < 0x80) return 0;
  const bool quad =
      text.starts_with("\xE2\x80") && text.size() > 2 && static_cast<unsigned char>(text[2]) <= 0x8A;
  if (quad) return 3;  // U+2000 to U+200A
  const auto blank = std::ranges::find_if(kBlanks, [&](std::string_view b) { return text.starts_with(b); });
  return blank == std::end(kBlanks) ? 0 : blank->size();
}

bool is_word_byte(char byte) {
  return is_letter(byte) || is_digit(byte) || static_cast<unsigned char>(byte) >= 0x80;
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
  if (is_url(at_ + 1)) return open_external();
  if (twice && !is_url(at_ + 2)) return open_link();
  literal(1);  // also before an address in two brackets, which no link within the wiki has
}

void MarkupScanner::open_link() {
  static constexpr ByteSet kStops("|]\n[{<");
  constexpr size_t kLongestTarget = 600;
  const std::string_view head = page_.substr(at_ + 2, kLongestTarget);
  const size_t stop = kStops.find(head, 0);
  skipper_.add_work(stop);
  const LinkKind kind = words_.link_kind(head.substr(0, stop));
  const size_t end = at_ + 2 + stop;
  if (kind != LinkKind::kArticle) {
    at_ = skipper_.file_end(at_);
    after_removal();
    if (kind == LinkKind::kFile) writer_.removed_apart();
    return;
  }
  const char byte = stop < head.size() ? head[stop] : '\n';
  if (byte == ']' && page_.substr(end).starts_with("]]")) return plain_link(end);
  if (byte == '|') return labelled_link(end);
  at_ += 2;
  const bool open = byte == '{' || byte == '<';
  if (open && push({.kind = FrameKind::kTarget})) frames_.back().mark = writer_.mark();
}

/// `[[target]]`: the target is the text, without the colon that keeps a category or file from being one. Spaces
/// in the brackets keep the words apart that they are written between.
void MarkupScanner::plain_link(size_t end) {
  const std::string_view written = page_.substr(at_ + 2, end - at_ - 2);
  std::string_view target = trim(written);
  if (target.starts_with(':')) target.remove_prefix(1);
  const bool space_before = written.starts_with(' ') && at_ > 0 && is_word_byte(page_[at_ - 1]);
  at_ = end + 2;
  if (target.empty()) return after_removal();
  if (space_before) writer_.text(" ");
  std::string label;
  if (target.find('&') != npos) {
    append_decoded(target, label);
    if (label.empty()) return after_removal();
    target = label;
  }
  writer_.text(target);
  writer_.end_of_markup();
  if (written.ends_with(' ') && at_ < page_.size() && is_word_byte(page_[at_])) writer_.text(" ");
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

/// The end of the address that begins at `position`.
/// Source: MediaWiki, the parser's class of characters in addresses: no brackets, quotes, blanks or `<`, `>`,
/// and none of the apostrophes that have become italics before. Templates in it are skipped.
size_t MarkupScanner::address_end(size_t position) {
  static constexpr ByteSet kStops("\t\n\v\f\r ][<>\"'&{}|\x7F\xC2\xE1\xE2\xE3\xEF");
  const bool in_braces = innermost_brace() != npos;
  size_t at = kStops.find(page_, position);
  const std::string_view host = page_.substr(at, 48);
  if (at < page_.size() && page_[at - 1] == '/' && host.starts_with('[')) {  // [http://[2001:db8::1]/ label]
    const size_t end = host.find_first_not_of("0123456789abcdefABCDEF:.", 1);
    if (end != npos && host[end] == ']') at += end + 1;
  }
  for (; (at = kStops.find(page_, at)) < page_.size(); ++at) {
    const std::string_view rest = page_.substr(at, 4);
    if (rest.starts_with("{{")) {
      at = std::max(skipper_.braces_end(at), at + 1) - 1;
      continue;
    }
    const char byte = rest.front();
    if (byte == '\'' ? rest.starts_with("''") : byte == '&' ? rest == "&lt;" || rest == "&gt;" : true) {
      const bool part = byte == '{' || byte == '}' || byte == '|';
      if (part && !in_braces) continue;
      if (static_cast<unsigned char>(byte) < 0x80 || blank_at_start(rest) > 0 || rest.starts_with("\uFFFD"))
        break;
    }
  }
  skipper_.add_work(std::min(at, page_.size()) - position);
  return std::min(at, page_.size());
}

/// Whether the label at `position` is closed on its line. Links within the wiki may be in it.
bool MarkupScanner::external_closes(size_t position) {
  static constexpr ByteSet kStops("]\n[{");
  if (position < unclosed_external_) return false;
  size_t depth = 0;
  size_t at = position;
  for (; (at = kStops.find(page_, at)) < page_.size() && page_[at] != '\n'; ++at) {
    const bool twice = page_.substr(at + 1).starts_with(page_[at]);
    if (page_[at] == '{' && twice) break;  // a template may hold line ends
    if (page_[at] == ']' && (depth == 0 || !twice)) {
      if (depth == 0) break;
      continue;
    }
    if (page_[at] == '{' || !twice) continue;
    depth += page_[at] == '[' ? 1 : -1;
    ++at;
  }
  skipper_.add_work(std::min(at, page_.size()) - position);
  if (at < page_.size() && page_[at] != '\n') return true;
  unclosed_external_ = at;
  return false;
}

/// `[address label]`: the label is text. Without a label the link is dropped, because its number means
/// nothing.
void MarkupScanner::open_external() {
  size_t end = address_end(at_ + 1);
  while (const size_t blank = blank_at_start(page_.substr(end, 4))) end += blank;
  if (!external_closes(end)) return literal(1);  // no link: the address is text
  if (page_[end] == ']') {
    at_ = end + 1;
    return after_removal();
  }
  at_ = end;
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
    if (frames_[i].kind == FrameKind::kLink) writer_.settle_apostrophes(frames_[i].runs);
    const Loss loss = frames_[i].kind == FrameKind::kTarget ? frames_[i].loss : Loss::kNone;
    pop_to(i);
    writer_.end_of_markup();
    note_loss(loss);
    return true;
  }
  return false;
}

}  // namespace pretrain::wikitext
