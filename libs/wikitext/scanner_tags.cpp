// SPDX-License-Identifier: Apache-2.0
// Comments and tags.

#include <algorithm>

#include "libs/wikitext/entities.h"
#include "libs/wikitext/math_text.h"
#include "libs/wikitext/scanner.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;

/// `inline`, or `enclose="none"` as it was written earlier.
bool is_inline_code(std::string_view attributes) {
  for (const std::string_view word : {"inline", "enclose=\"none\"", "enclose=none"}) {
    const size_t at = attributes.find(word);
    if (at != npos && at > 0 && is_space(attributes[at - 1])) return true;
  }
  return false;
}

}  // namespace

void MarkupScanner::angle() {
  if (page_.substr(at_).starts_with("<!--")) {
    at_ = skipper_.comment_end(at_);
    return after_removal();
  }
  uint64_t work = 0;
  const auto use = parse_tag(page_, at_, work);
  skipper_.add_work(work);
  if (!use) return literal(1);
  tag(*use);
}

void MarkupScanner::tag(const TagUse& use) {
  const bool content = !use.closing && !use.self_closing;
  switch (use.tag->kind) {
    case TagKind::kDrop:
      if (!content) break;
      drop_content(use);
      return;
    case TagKind::kDropBlock:
      if (content) return drop_block(use);
      break;
    case TagKind::kCode:
      if (content) return code_content(use);
      break;
    case TagKind::kLiteral:
      if (content) return literal_content(use);
      at_ = use.end;  // and a mark of a list after it is none
      return writer_.end_of_markup();
    case TagKind::kFormula:
      if (content) return formula(use);
      break;
    case TagKind::kLineBreak:
      at_ = use.end;
      return line_break(false);
    case TagKind::kParagraph:
      at_ = use.end;
      return line_break(true);
    case TagKind::kVerse:
      at_ = use.end;
      line_break(true);
      verse_ = content;
      kind_ = verse_ ? LineKind::kOwn : LineKind::kText;
      return;
    case TagKind::kSuperscript:
      return superscript(use);
    case TagKind::kRuby:
      return ruby(use);
    case TagKind::kInline:
      at_ = use.end;
      return writer_.end_of_markup();
  }
  at_ = use.end;
  after_removal();
}

/// Without a closing tag, only the tag itself is dropped. Whether there is one.
bool MarkupScanner::drop_content(const TagUse& use) {
  const size_t closing = skipper_.closing_tag(use);
  at_ = closing == npos ? use.end : std::min(page_.find('>', closing), page_.size() - 1) + 1;
  after_removal();
  return closing != npos;
}

/// A line of a list continues after it; elsewhere it ends a paragraph, as a table does.
void MarkupScanner::drop_block(const TagUse& use) {
  const bool closed = drop_content(use);
  if (closed && frames_.empty() && kind_ == LineKind::kText) line_break(true);
}

/// Program text is a part of its sentence when it is inline, and shown as it is written.
void MarkupScanner::code_content(const TagUse& use) {
  const size_t closing = is_inline_code(use.attributes) ? skipper_.closing_tag(use) : npos;
  if (closing == npos) return drop_block(use);
  std::string code(trim(page_.substr(use.end, closing - use.end)));
  std::ranges::replace(code, '\n', ' ');
  std::ranges::replace(code, kItemMark, ' ');
  writer_.text(code);
  skipper_.add_work(code.size());
  at_ = std::min(page_.find('>', closing), page_.size() - 1) + 1;
}

void MarkupScanner::literal_content(const TagUse& use) {
  const size_t closing = skipper_.closing_tag(use);
  at_ = use.end;
  if (closing == npos) return;
  std::string content;
  append_decoded(page_.substr(use.end, closing - use.end), content);
  std::ranges::replace(content, '\n', ' ');
  std::ranges::replace(content, kItemMark, ' ');
  writer_.text(content);
  skipper_.add_work(content.size());
  at_ = std::min(page_.find('>', closing), page_.size() - 1) + 1;
}

void MarkupScanner::formula(const TagUse& use) {
  const size_t closing = skipper_.closing_tag(use);
  if (closing == npos) {
    drop_content(use);
    return;
  }
  std::string text;
  const bool shown = append_formula(page_.substr(use.end, closing - use.end), text);
  skipper_.add_work(closing - use.end + text.size());
  drop_content(use);
  if (shown) return writer_.verbatim(text);
  note_loss(Loss::kLikely);
}

/// In braces, labels and headings a break is a space, or a line end if a block allows one.
void MarkupScanner::line_break(bool paragraph) {
  const size_t brace = innermost_brace();
  if (brace != npos) {
    const bool block = frames_[brace].kind == FrameKind::kTemplate && frames_[brace].rule->pattern.is_block();
    return block ? writer_.inner_line_end() : writer_.text(" ");
  }
  if (!frames_.empty() || kind_ == LineKind::kHeading) return writer_.text(" ");
  end_line();
  paragraph ? writer_.blank_line() : writer_.break_line();
}

/// The reading of a word, `<rt>`, is put in brackets unless the page has its own, `<rp>`.
void MarkupScanner::ruby(const TagUse& use) {
  at_ = use.end;
  const bool reading = use.tag->name == "rt";
  const bool wide = words_.language() == "ja" || words_.language() == "zh" || words_.language() == "ko";
  if (ruby_ == Ruby::kOpen) {  // the end of the reading may be left out
    writer_.text(wide ? "）" : ")");
    ruby_ = Ruby::kNone;
  }
  if (use.tag->name == "rp") {
    ruby_ = Ruby::kMarked;
  } else if (use.tag->name == "ruby") {
    ruby_ = Ruby::kNone;
  } else if (reading && !use.closing && !use.self_closing && ruby_ == Ruby::kNone &&
             !closes_at(page_, at_, "rt")) {
    writer_.text(wide ? "（" : "(");
    ruby_ = Ruby::kOpen;
  }
  writer_.end_of_markup();
}

void MarkupScanner::superscript(const TagUse& use) {
  at_ = use.end;
  if (!use.closing) {
    superscript_ = writer_.position();
  } else if (superscript_ != npos) {
    writer_.raise_since(superscript_);
    superscript_ = npos;
  }
}

}  // namespace pretrain::wikitext
