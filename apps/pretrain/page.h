// SPDX-License-Identifier: Apache-2.0
#pragma once
// The page that shows runs, from the files in page/: as a file that holds its data, or as what a server sends.
// Thread-safe: free functions.

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace pretrain {

/// The files in page/, embedded when the program was built.
std::string_view page_markup();
std::string_view page_style();
std::string_view page_script();
std::string_view typing_markup();  ///< of `pretrain serve`, with page_style()
std::string_view typing_script();

/// The page of a server that also answers /page.css, /page.js and /api/v1.
std::string served_page();
/// The Content-Security-Policy that it needs: nothing but its own origin.
std::string_view served_page_policy();

/// One file with style, script and data inside, which requests nothing.
/// `summary`: what it says, for browsers without scripts.
std::string report_page(const nlohmann::json& data, std::string_view summary);

/// Text as markup that shows it.
std::string escape_markup(std::string_view text);

}  // namespace pretrain
