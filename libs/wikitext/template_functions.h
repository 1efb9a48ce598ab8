// SPDX-License-Identifier: Apache-2.0
#pragma once
// What patterns can compute: `$number(1)`, `$convert()`. Thread-safe: pure functions.

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/wikitext/template_call.h"

namespace pretrain::wikitext {

struct TemplateFunction {
  enum class Takes : uint8_t {
    kValue,  ///< a list of arguments, of which the first that is not empty counts
    kCall,   ///< nothing in the brackets: it reads the arguments of the call itself
    kText,   ///< the text in the brackets
  };
  std::string_view name;
  Takes takes;
  /// `operand` is the value or the text in the brackets.
  std::string (*text)(const TemplateCall& call, std::string_view operand);
};

/// Null when there is none of that name.
const TemplateFunction* find_template_function(std::string_view name);
/// "convert, date, ...", for messages.
std::string template_function_names();

}  // namespace pretrain::wikitext
