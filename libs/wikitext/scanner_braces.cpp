// SPDX-License-Identifier: Apache-2.0
// Templates, parameters and script variants.

#include <algorithm>

#include "libs/wikitext/missing_words.h"
#include "libs/wikitext/parser_functions.h"
#include "libs/wikitext/punctuation.h"
#include "libs/wikitext/scanner.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;

/// Whether the rules of a variant are shown: all but those of titles and those that are only remembered.
bool is_shown(std::string_view flags) {
  for (const std::string_view hidden : {"T", "H", "-", "N"}) {
    for (size_t at = 0; at < flags.size();) {
      const size_t end = std::min(flags.find(';', at), flags.size());
      if (trim(flags.substr(at, end - at)) == hidden) return false;
      at = end + 1;
    }
  }
  return true;
}

/// The length of a `code:` at the start of `text`, such as "zh-hans:", with what it is converted from,
/// "COUNTRY=>zh:"; 0 for other text.
size_t rule_head(std::string_view text, std::string_view language) {
  constexpr size_t kLongest = 200;
  const std::string_view head = text.substr(0, std::min(text.substr(0, kLongest).find(':'), text.size()));
  if (head.size() == text.size()) return 0;
  const size_t arrow = head.rfind("=>");
  const std::string_view code = trim(arrow == npos ? head : head.substr(arrow + 2));
  if (arrow != npos && head.find(';') < arrow) return 0;
  const std::string_view family = language == "iu" ? "ike" : language;
  const bool known =
      code == language || (code.starts_with(family) && code.substr(family.size()).starts_with('-'));
  const bool letters = std::ranges::all_of(code, [](char c) { return is_letter(c) || c == '-'; });
  return known && letters ? head.size() + 1 : 0;
}

/// `-{A}-` shows A; `-{zh-hans:A;zh-hant:B}-` shows one variant, here the first.
/// Source: MediaWiki, LanguageConverter: a `;` ends a variant only where another follows, and a text that has
/// no code of a variant is shown as it is.
std::string_view shown_variant(std::string_view content, std::string_view language) {
  const size_t bar = content.find('|');
  if (bar != npos) {
    if (!is_shown(content.substr(0, bar))) return "";
    content.remove_prefix(bar + 1);
  }
  content = trim(content);
  const size_t head = rule_head(content, language);
  if (head == 0) return content;
  content.remove_prefix(head);
  for (size_t end = content.find(';'); end != npos; end = content.find(';', end + 1)) {
    const std::string_view rest = trim(content.substr(end + 1));
    if (rest.empty() || rest.front() == ';' || rule_head(rest, language) > 0)
      return trim(content.substr(0, end));
  }
  return trim(content);
}

bool is_word_byte(char byte) {
  return is_letter(byte) || is_digit(byte) || static_cast<unsigned char>(byte) >= 0x80;
}

/// Whether `name`, what follows two braces, can be no name of a template: it is several paragraphs or a heading.
bool is_no_name(std::string_view name) {
  return name.starts_with("==") || name.find("\n\n") != npos || name.find("\n==") != npos;
}

/// Whether the call is a formula, which says something else without one of its parts.
bool is_formula(std::string_view name) {
  const std::string folded = fold_name(name);
  return folded == "math" || folded == "bigmath" || folded == "intmath";
}

/// Whether words follow on the line, not other markup.
bool is_before_text(std::string_view page, size_t position) {
  const std::string_view rest = trim(page.substr(position, page.find('\n', position) - position));
  constexpr std::string_view kMarkup[] = {"{{", "|", "}}", "<", "[["};
  const bool markup = std::ranges::any_of(kMarkup, [&](auto mark) { return rest.starts_with(mark); });
  return has_words(rest) && (!markup || (rest.starts_with("[[") && rest.find(':') > rest.find(']')));
}

/// Whether what is between the positions follows a stop or a comma and nothing follows it directly, as a note does.
bool is_note(std::string_view page, size_t start, size_t end) {
  constexpr std::string_view kStops[] = {".", ",",  ";",  ":",  "!",  "?",  ")",  "\"", "»",
                                         "”", "。", "、", "，", "；", "：", "！", "？", "）"};
  const std::string_view before = page.substr(0, start);
  const bool stopped = std::ranges::any_of(kStops, [&](auto stop) { return before.ends_with(stop); });
  return stopped && (end >= page.size() || is_space(page[end]) || page[end] == '{' || page[end] == '<');
}

/// Whether a call of which nothing is known has a value on one line, as `{{age|1900}}` has and `{{refimprove|date=May}}`
/// has not. What is shown behind a link out of the wiki is about the link.
bool has_value(std::string_view page, size_t start, size_t end) {
  const std::string_view call = page.substr(start, end - start);
  const size_t bar = call.find('|');
  const bool elsewhere =
      !call.starts_with("{{#") && call.substr(0, bar).find(':') != npos;  // a page as a template
  if (bar == npos || call.find('\n') != npos || elsewhere) return false;
  std::string_view value = call.substr(bar + 1);
  value = trim(value.substr(0, value.find_first_of("|}=[{", value.find_first_not_of("[{"))));
  const size_t next = static_cast<size_t>(value.data() + value.size() - page.data());
  const bool named = next < end && page[next] == '=' && !std::ranges::all_of(value, is_digit);
  const std::string_view before = trim(page.substr(0, start));
  const bool after_link = before.ends_with(']') && !before.ends_with("]]");
  const bool picture = value.starts_with("[[") && value.find(':') != npos;
  return has_words(value) && !named && !after_link && !picture;
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
  arguments_.push_back({writer_.position()});
}

void MarkupScanner::skip_braces() {
  at_ = skipper_.braces_end(at_);
  after_removal();
}

/// Whether what an argument of a template on one line shows is false without the words that were lost here, so that
/// the sentence around the template goes, too.
bool MarkupScanner::breaks_argument(Loss loss) const {
  const bool shown = std::ranges::all_of(frames_, [](const Frame& frame) {
    return frame.kind == FrameKind::kTemplate && !frame.function && !frame.rule->pattern.is_block();
  });
  if (!shown || arguments_.size() == frames_.back().first_argument || kind_ != LineKind::kText) return false;
  const std::string_view before = writer_.line().substr(arguments_.back().start);
  return has_words(before) && misses_words({.before = before,
                                            .after = page_.substr(at_),
                                            .language = words_.language(),
                                            .valued = loss == Loss::kLikely,
                                            .prose = true});
}

/// Notes that words were lost here. Whether their sentence is none without them, so that it is dropped. In a
/// template it is the template that may lose its text, in a link to an article what is around it counts.
bool MarkupScanner::note_loss(Loss loss) {
  if (loss == Loss::kNone) return false;
  const bool in_label = !frames_.empty() && frames_.front().kind == FrameKind::kLink;
  if (!frames_.empty() && !(in_label && frames_.size() == 1)) {
    if (breaks_argument(loss)) loss = Loss::kCertain;
    frames_.back().loss = std::max(frames_.back().loss, loss);
    return false;
  }
  std::string_view after = page_.substr(at_);
  if (in_label && after.starts_with("]]")) after.remove_prefix(2);
  const bool missing = loss == Loss::kCertain || misses_words({.before = writer_.line(),
                                                               .after = after,
                                                               .language = words_.language(),
                                                               .valued = loss == Loss::kLikely,
                                                               .prose = kind_ == LineKind::kText});
  const bool broken = kind_ != LineKind::kHeading && missing;
  if (broken) writer_.lost_words();
  return broken;
}

/// Skips a call of which nothing is known. In running text it is reported, and drops its sentence if that is
/// none without it.
void MarkupScanner::skip_template(const Call& call) {
  const size_t start = at_;
  const bool unknown = call.rule == nullptr && !call.name.empty() && !call.name.starts_with("#tag:ref");
  const bool reported = lost_ != nullptr && unknown && call.name[0] != '#';
  const bool after_text = reported && has_words(writer_.line());
  const bool elsewhere = call.rule != nullptr && call.rule->elsewhere;
  skip_braces();
  Loss loss = unknown ? Loss::kPerhaps : Loss::kNone;
  if (unknown && has_value(page_, start, at_)) loss = Loss::kLikely;
  const bool broken = note_loss(elsewhere ? Loss::kCertain : loss);
  if (!reported || !(after_text || is_before_text(page_, at_)) || is_note(page_, start, at_)) return;
  const size_t line = start == 0 ? 0 : page_.rfind('\n', start - 1) + 1;
  const std::string_view after = page_.substr(at_, page_.find('\n', at_) - at_);
  (*lost_)({.name = call.name,
            .before = page_.substr(line, start - line),
            .call = page_.substr(start, at_ - start),
            .after = after,
            .with_sentence = broken});
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
  constexpr std::string_view kSafe = "safesubst:";  // means nothing on a saved page
  const std::string_view after = page_.substr(at_ + 2, kSafe.size());
  const bool safe = after.ends_with(':') && fold_name(after) == kSafe;
  const size_t begin = at_ + 2 + (safe ? kSafe.size() : 0);
  const std::string_view head = page_.substr(begin, kLongestName);
  const size_t end = kEnds.find(head, 0);
  skipper_.add_work(end);
  const std::string_view written = head.substr(0, end);
  const size_t colon = written.find(':');
  if (colon != npos) {  // a function: its argument begins after the colon
    const auto* rule = words_.templates().find(written.substr(0, colon + 1));
    if (rule != nullptr) return {rule, written, begin + colon + 1, true, false};
  }
  if (is_no_name(written)) return {nullptr, {}, 0, false, true};
  if (end == head.size() || head[end] == '{' || head[end] == '[') return {};
  const std::string_view name = words_.without_template_namespace(written);
  return {words_.templates().find(name), trim(written), begin + end, false, false};
}

/// Reads a template with text and skips any other.
void MarkupScanner::open_template() {
  const Call call = called();
  if (call.impossible) {
    at_ += 2;
    return writer_.removed();
  }
  Frame frame{.kind = FrameKind::kTemplate,
              .rule = call.rule,
              .name = call.name,
              .body = call.body,
              .function = call.function};
  if (page_.substr(call.body).starts_with('|')) ++frame.body;
  if (call.rule == nullptr || call.rule->pattern.is_empty() || !push(frame)) return skip_template(call);
  at_ = call.body;
  frames_.back().mark = writer_.mark();
  if (call.function) arguments_.push_back({writer_.position()});
}

/// What was read so far is the target of the link, and its label follows.
void MarkupScanner::begin_label() {
  writer_.cut(frames_.back().mark);
  frames_.back().kind = FrameKind::kLink;
}

/// A bar ends the target of a link or an argument of a template; elsewhere it is text.
void MarkupScanner::bar() {
  if (frames_.empty()) return literal(1);
  const Frame& frame = frames_.back();
  if (frame.kind == FrameKind::kTarget) {
    ++at_;
    return begin_label();
  }
  const size_t brace = innermost_brace();
  if (brace == npos || frame.kind == FrameKind::kLink || frames_[brace].kind == FrameKind::kVariant)
    return literal(1);
  pop_to(brace + 1);
  writer_.settle_apostrophes(frames_[brace].runs);
  arguments_.push_back({writer_.position()});
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
  writer_.settle_apostrophes(frames_[brace].runs);
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
void MarkupScanner::replace(const Frame& frame, std::string_view text) {
  skipper_.add_work(writer_.position() - frame.mark.position + text.size());
  writer_.cut(frame.mark);
  if (trim(text).empty() && text.find_first_of(" \n") == npos) return after_removal();
  if (text.starts_with('\n')) {
    writer_.inner_line_end();
    text.remove_prefix(1);
  }
  writer_.text(text);
}

/// Spaces at the ends of an argument are part of its value, so they keep words apart that it is written between.
std::string MarkupScanner::with_edge_spaces(std::string text, const Frame& frame,
                                            const TemplateArguments& arguments) const {
  if (text.empty() || arguments.count() == 0) return text;
  const std::string_view last = arguments.untrimmed(arguments.count());
  const bool after = last.ends_with(' ') && text.ends_with(trim(last)) && at_ < page_.size();
  if (after && is_word_byte(page_[at_]) && !joins_without_space(text, page_.substr(at_))) text += ' ';
  const std::string_view first = arguments.untrimmed(1);
  const std::string_view before = writer_.line().substr(0, frame.mark.position);
  const bool leads = first.starts_with(' ') && text.starts_with(trim(first)) && !before.empty();
  if (leads && is_word_byte(before.back()) && !joins_without_space(before, text)) text.insert(0, 1, ' ');
  return text;
}

/// Arguments were written to the line as text; arguments_ has the positions where each begins.
TemplateArguments MarkupScanner::arguments_of(const Frame& frame, std::string_view content) const {
  TemplateArguments arguments;
  for (size_t i = frame.first_argument; i < arguments_.size(); ++i) {
    const size_t base = frame.mark.position;
    const auto [start, equals] = arguments_[i];
    const size_t end = i + 1 < arguments_.size() ? arguments_[i + 1].start - base : content.size();
    arguments.add(content.substr(start - base, end - (start - base)), equals == npos ? npos : equals - start);
  }
  return arguments;
}

void MarkupScanner::finish_template() {
  const Frame frame = frames_.back();
  const std::string content(writer_.since(frame.mark));
  const TemplateArguments arguments = arguments_of(frame, content);
  frames_.pop_back();
  arguments_.resize(frame.first_argument);
  const TemplateCall call{.name = frame.name,
                          .arguments = arguments,
                          .language = words_.language(),
                          .title = title_,
                          .before = writer_.line().substr(0, frame.mark.position),
                          .failed = frame.failed,
                          .lost = frame.loss != Loss::kNone};
  std::string text = frame.rule->pattern.text(call);
  if (text == "|" && !frames_.empty() && frames_.back().kind == FrameKind::kTarget) return begin_label();
  const bool failed = text.find(kNotComputed) != npos;
  if (failed) text.clear();
  if (failed && !frames_.empty()) frames_.back().failed = true;
  text = with_edge_spaces(std::move(text), frame, arguments);
  const bool list = content.find(kItemMark) != npos;
  const bool empty = trim(text).empty();
  Loss loss = frame.loss != Loss::kNone && is_formula(frame.name) ? Loss::kCertain : frame.loss;
  const bool unread = empty && frame.rule->pattern.is_plain() && has_words(arguments.last());
  if (unread)
    loss = std::max(loss, Loss::kLikely);  // what it shows is in an argument that the rule does not know
  if (failed) loss = std::max(loss, Loss::kPerhaps);
  replace(frame, text);
  if (empty || loss == Loss::kCertain) note_loss(loss);
  if (list && !empty) writer_.inner_line_end();  // what follows the last item is not a part of it
}

/// Shows the text after the first bar.
void MarkupScanner::finish_parameter() {
  const Frame frame = frames_.back();
  const std::string content(writer_.since(frame.mark));
  const TemplateArguments arguments = arguments_of(frame, content);
  frames_.pop_back();
  arguments_.resize(frame.first_argument);
  replace(frame, arguments.positional(2));
}

void MarkupScanner::finish_variant() {
  const Frame frame = frames_.back();
  const std::string content(writer_.since(frame.mark));
  frames_.pop_back();
  arguments_.resize(frame.first_argument);
  replace(frame, shown_variant(content, words_.language()));
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
