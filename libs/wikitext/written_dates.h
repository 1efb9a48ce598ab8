// SPDX-License-Identifier: Apache-2.0
#pragma once
// Dates as each wiki writes them in its prose. Thread-safe: pure functions.

#include <string>
#include <string_view>

#include "libs/wikitext/template_arguments.h"

namespace pretrain::wikitext {

/// 3 of "3", "03", "Mar" and "March"; 0 for anything else.
int month_number(std::string_view text);

/// The name of month 1 to 12 after a day, as "3" in "2 марта"; another text as it is, and a number in a language without
/// names here.
std::string month_name(std::string_view text, std::string_view language);

/// Year, month and day from the first three arguments, which may be numbers or English words, or day, month and year;
/// month and day may be absent. `day_first`: "2 January 1990", not "January 2, 1990", in English.
std::string date_text(const TemplateArguments& arguments, std::string_view language, bool day_first);

}  // namespace pretrain::wikitext
