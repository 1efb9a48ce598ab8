// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names of months and days in the languages of large Wikipedias, as MediaWiki has them. Thread-safe.

#include <string_view>

namespace pretrain::wikitext {

enum class DateName { kMonth, kOfMonth, kShortMonth, kDay, kShortDay };

/// The name of month 1 to 12 or of day 1 (Monday) to 7; kOfMonth is its form after a day ("3 maja"). Empty for a
/// language without names here. An empty language is English.
std::string_view date_name(DateName kind, unsigned number, std::string_view language);

}  // namespace pretrain::wikitext
