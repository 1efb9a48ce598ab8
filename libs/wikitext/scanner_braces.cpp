// SPDX-License-Identifier: Apache-2.0
// Templates, parameters and script variants.

#include <algorithm>

#include "libs/wikitext/scanner.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;

/// `-{A}-` shows A; `-{zh-hans:A;zh-hant:B}-` shows one variant, here the first; `-{T|...}-` and other rules
/// show nothing.
std::string_view shown_variant(std::string_view content) {
  const size_t bar = content.find('|');
  if (bar != npos) {
    const std::string_view flag = trim(content.substr(0, bar));
    const bool shown =
        flag == "A" || flag == "R" || flag == "D" || flag.starts_with("zh") || flag.starts_with("sr");
    if (!shown) return "";
    content.remove_prefix(bar + 1);
  }
  const size_t colon = content.find(':');
  const std::string_view code = trim(content.substr(0, std::min(colon, content.size())));
  const bool rule = colon != npos && code.size() >= 2 && code.size() <= 12 &&
                    std::ranges::all_of(code, [](char c) { return is_letter(c) || c == '-'; });
  if (!rule) return content;
  content.remove_prefix(colon + 1);
  return content.substr(0, content.find(';'));
}

}  // namespace

/// Two braces open a template, three a parameter, one perhaps a variant. Four and more are ambiguous, rare
/// and nearly never text, so they are skipped.
void MarkupScanner::open_braces() {
  const size_t run = run_length(page_, at_);
  if (run == 1) return open_variant();
  if (run > 3) return skip_braces();
  if (run == 2) return open_template();
  const Frame frame{.kind = FrameKind::kParameter, .body = at_ + 3};
  if (!push(frame)) return skip_braces();
  at_ += 3;
  frames_.back().mark = writer_.mark();
  arguments_.push_back(writer_.position());
}

void MarkupScanner::skip_braces() {
  at_ = skipper_.braces_end(at_);
  after_removal();
}

void MarkupScanner::open_variant() {
  const bool opens = words_.has_variants() && at_ > 0 && page_[at_ - 1] == '-';
  if (!opens || !push({.kind = FrameKind::kVariant, .body = at_ + 1})) return literal(1);
  writer_.drop_last('-');
  ++at_;
  frames_.back().mark = writer_.mark();
}

/// The template or function that the name after the braces at at_ calls; empty if the call is skipped.
MarkupScanner::Call MarkupScanner::called() {
  static constexpr ByteSet kEnds("|{}<[");
  constexpr size_t kLongestName = 80;
  const std::string_view head = page_.substr(at_ + 2, kLongestName);
  const size_t end = kEnds.find(head, 0);
  skipper_.add_work(end);
  const std::string_view written = head.substr(0, end);
  const size_t colon = written.find(':');
  if (colon != npos) {  // a function: its argument begins after the colon
    const auto* entry = find_template(fold_name(written.substr(0, colon + 1)), words_.language());
    if (entry != nullptr) return {entry, written, at_ + 2 + colon + 1, true};
  }
  if (end == head.size() || head[end] == '{' || head[end] == '[') return {};
  const std::string folded = fold_name(written);
  const std::string_view name = words_.without_template_namespace(folded);
  return {find_template(name, words_.language()), trim(written), at_ + 2 + end, false};
}

/// Reads a known template as text and skips any other.
void MarkupScanner::open_template() {
  const Call call = called();
  Frame frame{.kind = FrameKind::kTemplate, .entry = call.entry, .name = call.name, .body = call.body};
  if (page_.substr(call.body).starts_with('|')) ++frame.body;
  if (call.entry == nullptr || !push(frame)) return skip_braces();
  at_ = call.body;
  frames_.back().mark = writer_.mark();
  if (call.function) arguments_.push_back(writer_.position());
}

/// A bar ends the target of a link or an argument of a template; elsewhere it is text.
void MarkupScanner::bar() {
  if (frames_.empty()) return literal(1);
  Frame& frame = frames_.back();
  if (frame.kind == FrameKind::kTarget) {
    writer_.cut(frame.mark);
    frame.kind = FrameKind::kLink;
    ++at_;
    return;
  }
  const size_t brace = innermost_brace();
  if (brace == npos || frame.kind == FrameKind::kLink || frames_[brace].kind == FrameKind::kVariant)
    return literal(1);
  pop_to(brace + 1);
  arguments_.push_back(writer_.position());
  writer_.fence();
  ++at_;
}

/// Closing braces close what is open inside them, such as links without an end.
void MarkupScanner::close_braces() {
  const size_t run = run_length(page_, at_);
  const size_t brace = innermost_brace();
  if (brace == npos) {
    if (run == 1) return literal(1);
    at_ += run;  // closes nothing
    return writer_.removed();
  }
  const FrameKind kind = frames_[brace].kind;
  const bool variant_ends = at_ + 1 < page_.size() && page_[at_ + 1] == '-';
  if (kind == FrameKind::kVariant ? !variant_ends : run < 2) return literal(1);
  pop_to(brace + 1);
  if (kind == FrameKind::kTemplate) {
    at_ += 2;
    finish_template();
  } else if (kind == FrameKind::kParameter) {
    at_ += std::min<size_t>(run, 3);
    finish_parameter();
  } else {
    at_ += 2;
    finish_variant();
  }
}

/// Removes the innermost frame from the stack and replaces what it wrote by `text`.
void MarkupScanner::replace(const Frame& frame, const std::string& text) {
  skipper_.add_work(writer_.position() - frame.mark.position + text.size());
  writer_.cut(frame.mark);
  if (trim(text).empty() && text.find_first_of(" \n") == npos) {
    after_removal();
  } else {
    writer_.text(text);
  }
}

/// Arguments were written to the line as text; arguments_ has the positions where each begins.
TemplateArguments MarkupScanner::arguments_of(const Frame& frame, std::string_view content) const {
  TemplateArguments arguments;
  for (size_t i = frame.first_argument; i < arguments_.size(); ++i) {
    const size_t start = arguments_[i] - frame.mark.position;
    const size_t end = i + 1 < arguments_.size() ? arguments_[i + 1] - frame.mark.position : content.size();
    arguments.add(content.substr(start, end - start));
  }
  return arguments;
}

void MarkupScanner::finish_template() {
  const Frame frame = frames_.back();
  const std::string content(writer_.since(frame.mark));
  const TemplateArguments arguments = arguments_of(frame, content);
  frames_.pop_back();
  arguments_.resize(frame.first_argument);
  replace(frame, expand_template(*frame.entry, frame.name, arguments, words_.language()));
}

/// Shows the text after the first bar.
void MarkupScanner::finish_parameter() {
  const Frame frame = frames_.back();
  const std::string content(writer_.since(frame.mark));
  const TemplateArguments arguments = arguments_of(frame, content);
  frames_.pop_back();
  arguments_.resize(frame.first_argument);
  replace(frame, std::string(arguments.positional(2)));
}

void MarkupScanner::finish_variant() {
  const Frame frame = frames_.back();
  const std::string content(writer_.since(frame.mark));
  frames_.pop_back();
  arguments_.resize(frame.first_argument);
  replace(frame, std::string(shown_variant(content)));
}

/// Continues after the opening of the outermost braces as if they were text. False if none are open.
bool MarkupScanner::give_up_braces() {
  const auto brace =
      std::ranges::find_if(frames_, [](const Frame& f) { return f.kind <= FrameKind::kVariant; });
  if (brace == frames_.end() || !skipper_.is_patient()) return false;
  skipper_.lose_patience();
  const Frame frame = *brace;
  frames_.erase(brace, frames_.end());
  arguments_.resize(frame.first_argument);
  writer_.cut(frame.mark);
  writer_.removed();
  skipper_.add_work(at_ - frame.body);
  at_ = frame.body;
  return true;
}

}  // namespace pretrain::wikitext
