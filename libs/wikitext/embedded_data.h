// SPDX-License-Identifier: Apache-2.0
#pragma once
// The data files of this library as text; embed.cmake makes the source from the files. Thread-safe.

#include <string_view>

namespace pretrain::wikitext {

std::string_view template_rules_text();
std::string_view site_names_text();
std::string_view date_names_text();

}  // namespace pretrain::wikitext
