// SPDX-License-Identifier: Apache-2.0
#pragma once
// Quantities as English text, or with symbols in other languages. Thread-safe: pure functions.

#include <string>
#include <string_view>

#include "libs/wikitext/template_arguments.h"

namespace pretrain::wikitext {

/// {{convert|...}}: the given quantity, with its unit spelled out in English, and as a symbol in other
/// languages or if `short_form`. The converted quantity is dropped, because it repeats the given one.
std::string convert_text(const TemplateArguments& arguments, std::string_view language, bool short_form);

/// {{val|...}}: value, uncertainty, power of ten, unit.
std::string value_text(const TemplateArguments& arguments, std::string_view language);

/// The French {{unité|5|à|7|km||h|-1}}: numbers with words between them, a power of ten, units with their powers.
std::string french_quantity(const TemplateArguments& arguments, std::string_view language);

std::string fraction_text(const TemplateArguments& arguments);

/// 21 to "21st" in English, "21." or "21º" where that is written, else as it is.
std::string ordinal_text(std::string_view number, std::string_view language);

/// Digits and signs as superscripts; "" if there are other characters.
std::string raised_text(std::string_view text);

}  // namespace pretrain::wikitext
