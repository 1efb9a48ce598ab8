// SPDX-License-Identifier: Apache-2.0
#pragma once
// Dates as {{#time:j F Y|2019-03-08}} shows them. Thread-safe: pure functions.

#include <optional>
#include <string>
#include <string_view>

namespace pretrain::wikitext {

/// The date `stated` by the letters of `format`, which are those of MediaWiki. Stated as "2019-03-08", "20190308", "2019-03",
/// "8 March 2019" or "March 8, 2019", with or without "14:05:09" after it. Empty for other dates, among them those that
/// depend on the day they are shown, for letters that are not known, and for names in languages that date_names.h lacks.
std::optional<std::string> formatted_time(std::string_view format, std::string_view stated,
                                          std::string_view language);

}  // namespace pretrain::wikitext
