// SPDX-License-Identifier: Apache-2.0
#pragma once
// Behaviour switches such as `__NOTOC__`, in the names of all languages: a wiki takes those of the languages that
// its own falls back to, and pages are copied between wikis. Thread-safe.

#include <string_view>

namespace pretrain::wikitext {

/// Whether `word`, without its underscores, is a switch, in whatever case MediaWiki takes it.
bool is_behaviour_switch(std::string_view word);

}  // namespace pretrain::wikitext
