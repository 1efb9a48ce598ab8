// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/template_pattern.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "libs/wikitext/template_functions.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;
constexpr size_t kDeepest = 4;  // optional parts in each other; rules have two

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

/// "05" as "5", so that a month matches as it is written.
std::string_view without_zeros(std::string_view text) {
  if (!is_number(text)) return text;
  return text.substr(std::min(text.find_first_not_of('0'), text.size() - 1));
}

std::string choice_key(std::string_view value) {
  return fold_name(without_zeros(trim(value)));
}

/// Arguments that pieces of the markup could not name.
bool is_source(std::string_view name) {
  return !name.empty() && name.find_first_of("{}[]$\\") == npos;
}

/// The value of the first source that is not empty. A source that begins with `=` is literal text, `N` the name.
std::string_view first_value(const std::vector<std::string>& sources, const TemplateCall& call) {
  for (const std::string_view source : sources) {
    std::string_view value;
    if (source.starts_with('=')) {
      value = source.substr(1);
    } else if (is_number(source)) {
      value = call.arguments.positional(static_cast<size_t>(std::stoul(std::string(source))));
    } else if (source == "N") {
      value = call.name;
    } else {
      value = call.arguments.named(source);
    }
    if (!value.empty()) return value;
  }
  return "";
}

std::string joined(const TemplateArguments& arguments, std::string_view mark) {
  std::string result;
  for (size_t i = 1; i <= arguments.count(); ++i) {
    if (arguments.positional(i).empty()) continue;
    if (!result.empty()) result += mark;
    result += arguments.positional(i);
  }
  return result;
}

/// The character that `\` and `byte` mean; '\0' when there is none.
char escaped(char byte) {
  if (byte == 'n') return '\n';
  if (byte == 's') return ' ';
  return std::string_view("\\{}$|=)").find(byte) == npos ? '\0' : byte;
}

std::string unescaped(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size(); ++at) {
    const char byte = text[at] == '\\' && at + 1 < text.size() ? escaped(text[at + 1]) : '\0';
    result += byte == '\0' ? text[at] : byte;
    at += byte == '\0' ? 0 : 1;
  }
  return result;
}

/// The first `mark` in `text` at or after `at` that no `\` precedes; the size of `text` when there is none.
size_t find_unescaped(std::string_view text, char mark, size_t at = 0) {
  while (at < text.size() && text[at] != mark) at += text[at] == '\\' ? 2 : 1;
  return std::min(at, text.size());
}

/// The bracket that closes the one before `at`; the size of `text` when there is none.
size_t closing_bracket(std::string_view text, size_t at) {
  for (size_t depth = 1; at < text.size(); at += text[at] == '\\' ? 2 : 1) {
    if (text[at] == '(') ++depth;
    if (text[at] == ')' && --depth == 0) return at;
  }
  return text.size();
}

/// The first bar in `text` at or after `at` that is neither escaped nor in brackets.
size_t find_bar(std::string_view text, size_t at) {
  while (at < text.size() && text[at] != '|') {
    at = text[at] == '(' ? closing_bracket(text, at + 1) + 1 : at + (text[at] == '\\' ? 2 : 1);
  }
  return std::min(at, text.size());
}

/// The pieces of `text` between its bars.
std::vector<std::string_view> pieces_of(std::string_view text) {
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = find_bar(text, at);
    pieces.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return pieces;
}

std::optional<RuleFault> check_choices(const PatternChoices& choices) {
  std::set<std::string_view> seen;
  bool any_other = false;
  for (const PatternChoice& choice : choices) {
    if (any_other || (choice.value && !seen.insert(*choice.value).second)) {
      return RuleFault{
          fmt::format("the choice \"{}\" can't match, because one before it takes all that it could",
                      choice.value.value_or("(any other)")),
          "remove it, or put the text for any other value last"};
    }
    any_other = !choice.value;
  }
  return std::nullopt;
}

}  // namespace

/// Reads a pattern from start to end; fault_ is the first mistake.
class PatternReader {
 public:
  using Part = TemplatePattern::Part;
  using Kind = Part::Kind;

  PatternReader(std::string_view source, const PatternLists& lists) : source_(source), lists_(lists) {}

  std::vector<Part> parts() {
    std::vector<Part> parts = read(0);
    if (!fault_ && at_ < source_.size())
      fail("there is a } without a {", "write \\} for a brace in the text");
    return parts;
  }
  std::optional<RuleFault> fault() const { return fault_; }

 private:
  void fail(std::string problem, std::string remedy) {
    if (!fault_) fault_ = RuleFault{std::move(problem), std::move(remedy)};
  }

  /// Reads up to the end or to a closing brace, which is not taken.
  std::vector<Part> read(size_t depth) {
    std::vector<Part> parts;
    while (!fault_ && at_ < source_.size() && source_[at_] != '}') {
      const char byte = source_[at_];
      if (byte == '{') {
        parts.push_back(optional(depth + 1));
      } else if (byte == '$' && at_ + 1 < source_.size() && source_[at_ + 1] != '{') {
        parts.push_back(variable());
      } else {
        add_text(parts);
      }
    }
    return parts;
  }

  void add_text(std::vector<Part>& parts) {
    if (parts.empty() || parts.back().kind != Kind::kText) parts.push_back({.kind = Kind::kText});
    const bool escape = source_[at_] == '\\' && at_ + 1 < source_.size();
    if (!escape) {
      parts.back().text += source_[at_++];
      return;
    }
    const char byte = escaped(source_[at_ + 1]);
    if (byte == '\0') {
      fail(fmt::format("\\{} has no meaning", source_[at_ + 1]), R"(write one of \n \s \\ \{ \} \$)");
    }
    parts.back().text += byte;
    at_ += 2;
  }

  Part optional(size_t depth) {
    Part part{.kind = Kind::kOptional};
    if (depth > kDeepest) {
      fail(fmt::format("braces are nested more than {} deep", kDeepest), "write the rule with fewer of them");
      return part;
    }
    ++at_;
    part.parts = read(depth);
    if (at_ == source_.size()) {
      fail("a { is never closed", "add the } or write \\{ for a brace in the text");
    } else if (std::ranges::all_of(part.parts, [](const Part& p) { return p.kind == Kind::kText; })) {
      fail("the braces hold no argument, so that they do nothing", "remove them");
    }
    ++at_;
    return part;
  }

  Part variable() {
    const char mark = source_[++at_];
    if (is_digit(mark)) return digit(mark);
    if (mark == '(') return argument_list();
    if (mark == '?') return choice();
    if (mark == 'L' || mark == 'N') {
      ++at_;
      return {.kind = mark == 'L' ? Kind::kLast : Kind::kName};
    }
    if (mark == '*' || mark == '_' || mark == ',' || mark == '/') {
      ++at_;
      return {.kind = Kind::kJoined,
              .text = mark == '*'   ? ""
                      : mark == '_' ? " "
                      : mark == ',' ? ", "
                                    : "\n"};
    }
    if (mark >= 'a' && mark <= 'z') return function();
    fail(fmt::format("${} has no meaning", mark), "write \\$ for a dollar in the text");
    return {};
  }

  Part digit(char mark) {
    ++at_;
    if (mark == '0') fail("$0 is no argument", "count arguments from $1");
    return {.kind = Kind::kArgument, .sources = {std::string(1, mark)}};
  }

  /// The text in the brackets at at_, which may hold others, as those of a function in a choice; at_ is behind their
  /// end afterwards.
  std::string_view in_brackets() {
    const size_t end = closing_bracket(source_, at_ + 1);
    if (end == source_.size()) {
      fail("a ( after $ is never closed", "add the )");
      at_ = source_.size();
      return "";
    }
    const std::string_view content = source_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return content;
  }

  std::vector<std::string> sources_of(std::string_view list) {
    std::vector<std::string> sources;
    for (const std::string_view piece : pieces_of(list)) {
      std::string source = piece.starts_with('=') ? unescaped(piece) : std::string(trim(piece));
      if (!is_source(piece.starts_with('=') ? "=" : source)) {
        fail(fmt::format("\"{}\" is no argument", source), "write numbers or names, such as $(text|1)");
      } else if (source == "0") {
        fail("0 is no argument", "count arguments from 1");
      } else if (std::ranges::find(sources, source) != sources.end()) {
        fail(fmt::format("{} is listed twice, and the second can't match", source), "remove one of them");
      }
      sources.push_back(std::move(source));
    }
    return sources;
  }

  Part argument_list() { return {.kind = Kind::kArgument, .sources = sources_of(in_brackets())}; }

  /// `$?(1: x=text|other)`.
  Part choice() {
    ++at_;
    Part part{.kind = Kind::kChoice};
    if (at_ == source_.size() || source_[at_] != '(') {
      fail("$? needs brackets", "write $?(1: value=text|other text)");
      return part;
    }
    const std::string_view content = in_brackets();
    const size_t colon = content.find(':');
    if (fault_ || colon == npos) {
      fail("the choice has no colon after its arguments", "write $?(1: value=text|other text)");
      return part;
    }
    part.sources = sources_of(content.substr(0, colon));
    const auto fault = TemplatePattern::read_choices(trim(content.substr(colon + 1)), lists_, part.choices);
    if (fault) fail(fault->problem, fault->remedy);
    return part;
  }

  Part function() {
    const size_t end =
        std::min(source_.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at_), source_.size());
    const std::string_view name = source_.substr(at_, end - at_);
    Part part{.kind = Kind::kFunction, .function = find_template_function(name)};
    if (part.function == nullptr) {
      fail(fmt::format("${} is not a function", name),
           fmt::format("use one of {}", template_function_names()));
      return part;
    }
    at_ = end;
    if (at_ == source_.size() || source_[at_] != '(') {
      fail(fmt::format("${} needs brackets", name), fmt::format("write ${}(...)", name));
      return part;
    }
    set_operand(in_brackets(), part);
    return part;
  }

  void set_operand(std::string_view content, Part& part) {
    switch (part.function->takes) {
      case TemplateFunction::Takes::kValue:
        part.sources = sources_of(content);
        break;
      case TemplateFunction::Takes::kText:
        part.text = unescaped(content);
        break;
      case TemplateFunction::Takes::kCall:
        if (!content.empty()) {
          fail(fmt::format("${}() takes nothing in its brackets", part.function->name),
               "remove it; the function reads the call itself");
        }
        break;
    }
  }

  std::string_view source_;
  const PatternLists& lists_;
  size_t at_ = 0;
  std::optional<RuleFault> fault_;
};

std::optional<RuleFault> TemplatePattern::compile(std::string_view source, const PatternLists& lists,
                                                  TemplatePattern& pattern) {
  PatternReader reader(source, lists);
  pattern.parts_ = reader.parts();
  return reader.fault();
}

std::optional<RuleFault> TemplatePattern::read_choices(std::string_view source, const PatternLists& lists,
                                                       PatternChoices& choices) {
  for (const std::string_view piece : pieces_of(source)) {
    if (piece.starts_with('@')) {
      const auto list = lists.find(trim(piece.substr(1)));
      if (list == lists.end()) {
        return RuleFault{fmt::format("{} is not a list", piece),
                         "define it above with a line \"list NAME: value=text|...\""};
      }
      choices.insert(choices.end(), list->second.begin(), list->second.end());
      continue;
    }
    const size_t equals = find_unescaped(piece, '=');
    PatternChoice& choice = choices.emplace_back();
    if (equals < piece.size()) choice.value = choice_key(unescaped(piece.substr(0, equals)));
    const std::string_view text = equals < piece.size() ? piece.substr(equals + 1) : piece;
    if (auto fault = compile(text, lists, choice.text)) return fault;
  }
  return check_choices(choices);
}

std::string TemplatePattern::text(const TemplateCall& call) const {
  bool complete = true;
  return expand(parts_, call, complete);
}

bool TemplatePattern::is_block() const {
  return !parts_.empty() && parts_.front().kind == Part::Kind::kText && parts_.front().text.starts_with('\n');
}

bool TemplatePattern::is_plain() const {
  const bool only_choice = parts_.size() == 1 && parts_.front().kind == Part::Kind::kChoice;
  return only_choice || (!is_block() && shows_only_arguments(parts_));
}

bool TemplatePattern::shows_only_arguments(const std::vector<Part>& parts) {
  const auto is_shown = [](const Part& part) {
    return part.kind == Part::Kind::kArgument || part.kind == Part::Kind::kText ||
           (part.kind == Part::Kind::kOptional && shows_only_arguments(part.parts));
  };
  const auto is_text = [](const Part& part) { return part.kind == Part::Kind::kText; };
  return std::ranges::all_of(parts, is_shown) && !std::ranges::all_of(parts, is_text);
}

/// `complete` becomes false when a part that is not optional is empty.
std::string TemplatePattern::expand(const std::vector<Part>& parts, const TemplateCall& call,
                                    bool& complete) {
  std::string result;
  for (const Part& part : parts) {
    const std::string text = expand(part, call);
    if (text.empty() && part.kind != Part::Kind::kOptional) complete = false;
    result += text;
  }
  return result;
}

std::string TemplatePattern::expand(const Part& part, const TemplateCall& call) {
  using Kind = Part::Kind;
  switch (part.kind) {
    case Kind::kText:
      return part.text;
    case Kind::kArgument:
      return std::string(first_value(part.sources, call));
    case Kind::kLast:
      return std::string(call.arguments.last());
    case Kind::kJoined:
      return joined(call.arguments, part.text);
    case Kind::kName:
      return std::string(call.name);
    case Kind::kChoice:
      return chosen(part, call);
    case Kind::kFunction: {
      const bool value = part.function->takes == TemplateFunction::Takes::kValue;
      return part.function->text(call, value ? first_value(part.sources, call) : part.text);
    }
    case Kind::kOptional: {
      bool complete = true;
      std::string text = expand(part.parts, call, complete);
      return complete ? text : "";
    }
  }
  return "";
}

std::string TemplatePattern::chosen(const Part& part, const TemplateCall& call) {
  const std::string key = choice_key(first_value(part.sources, call));
  for (const PatternChoice& choice : part.choices) {
    if (!choice.value || *choice.value == key) return choice.text.text(call);
  }
  return "";
}

}  // namespace pretrain::wikitext
