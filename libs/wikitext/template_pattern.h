// SPDX-License-Identifier: Apache-2.0
#pragma once
// The pattern of a template rule: text with places for the arguments of a call. RULES.md describes the form.
// Thread-safe once compiled.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/wikitext/template_call.h"

namespace pretrain::wikitext {

/// A mistake in a pattern or a file of rules.
struct RuleFault {
  std::string problem;
  std::string remedy;
};

struct PatternChoice;
using PatternChoices = std::vector<PatternChoice>;
using PatternLists = std::map<std::string, PatternChoices, std::less<>>;

struct TemplateFunction;

class TemplatePattern {
 public:
  /// Reads `source` into `pattern`; `lists` are the named choices of its file.
  /// Errors: the first mistake is returned.
  static std::optional<RuleFault> compile(std::string_view source, const PatternLists& lists,
                                          TemplatePattern& pattern);
  /// Reads choices, `value=text|value=text|text`, into `choices`; `@name` means those of a list.
  /// Errors: the first mistake is returned.
  static std::optional<RuleFault> read_choices(std::string_view source, const PatternLists& lists,
                                               PatternChoices& choices);

  /// The text of a call; "" for nothing.
  std::string text(const TemplateCall& call) const;
  /// Whether the text is a paragraph of its own: the pattern begins with a line end.
  bool is_block() const;
  bool is_empty() const { return parts_.empty(); }
  /// Whether the text is nothing but arguments, in the line, or one of several texts.
  bool is_plain() const;

 private:
  friend class PatternReader;

  struct Part {
    enum class Kind : uint8_t { kText, kArgument, kLast, kJoined, kName, kChoice, kFunction, kOptional };
    Kind kind = Kind::kText;
    std::string text;  ///< literal; between the arguments that are joined; operand of a function
    std::vector<std::string> sources;  ///< arguments, of which the first that is not empty counts
    PatternChoices choices;
    const TemplateFunction* function = nullptr;
    std::vector<Part> parts;  ///< of an optional part
  };

  static std::string expand(const std::vector<Part>& parts, const TemplateCall& call, bool& complete);
  static std::string expand(const Part& part, const TemplateCall& call);
  static bool shows_only_arguments(const std::vector<Part>& parts);
  static std::string chosen(const Part& part, const TemplateCall& call);

  std::vector<Part> parts_;
};

/// One of several texts, chosen by a value.
struct PatternChoice {
  std::optional<std::string> value;  ///< folded (fold_name); none for any other value
  TemplatePattern text;
};

}  // namespace pretrain::wikitext
