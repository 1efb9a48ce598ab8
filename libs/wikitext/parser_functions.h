// SPDX-License-Identifier: Apache-2.0
#pragma once
// The functions that MediaWiki computes while it reads a page: {{#switch:}}, {{#expr:}}, {{padleft:}}. All of them take time in
// proportion to their arguments. Thread-safe: pure functions.

#include <string>
#include <string_view>

#include "libs/wikitext/template_call.h"

namespace pretrain::wikitext {

/// What a function that can't be computed gives, in place of a text; no page holds it.
constexpr std::string_view kNotComputed = "\x1D";

/// The text of a call of `function`, such as "switch"; kNotComputed for a mistake in the call, for one whose result
/// depends on something that the page does not hold, and for a function that is not known.
std::string parser_function_text(const TemplateCall& call, std::string_view function);

}  // namespace pretrain::wikitext
