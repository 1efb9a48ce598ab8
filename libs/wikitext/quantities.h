// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers, units and dates as English text, or with symbols in other languages. Thread-safe: pure functions.

#include <string>
#include <string_view>

#include "libs/wikitext/template_arguments.h"

namespace pretrain::wikitext {

/// A number with its digits grouped by the language's rules; anything else unchanged.
std::string group_digits(std::string_view number, std::string_view language);

/// The reverse: a number as computers write it, without the marks of the language between its digits.
std::string ungrouped_digits(std::string_view number, std::string_view language);

/// 3 of "3", "03", "Mar" and "March"; 0 for anything else.
int month_number(std::string_view text);
/// In English.
/// Requires: number is 1 to 12.
std::string_view month_name(int number);

/// {{convert|...}}: the given quantity, with its unit spelled out in English, and as a symbol in other
/// languages or if `short_form`. The converted quantity is dropped, because it repeats the given one.
std::string convert_text(const TemplateArguments& arguments, std::string_view language, bool short_form);

/// {{val|...}}: value, uncertainty, power of ten, unit.
std::string value_text(const TemplateArguments& arguments, std::string_view language);

std::string fraction_text(const TemplateArguments& arguments);

/// Year, month and day from the first three arguments, which may be numbers or words; month and day may be
/// absent. `day_first`: "2 January 1990", not "January 2, 1990".
std::string date_text(const TemplateArguments& arguments, std::string_view language, bool day_first);

/// 21 to "21st".
std::string ordinal_text(std::string_view number);

/// Digits and signs as superscripts; "" if there are other characters.
std::string raised_text(std::string_view text);

}  // namespace pretrain::wikitext
