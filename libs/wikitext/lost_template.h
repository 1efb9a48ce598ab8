// SPDX-License-Identifier: Apache-2.0
#pragma once
// A template without a rule that was dropped from running text, so that a user can write its rule. Plain values.

#include <functional>
#include <string_view>

namespace pretrain::wikitext {

/// Views of the page: valid during the call.
struct LostTemplate {
  std::string_view name;    ///< as written, without the namespace
  std::string_view before;  ///< wikitext of the line before it
  std::string_view call;    ///< with its braces
  std::string_view after;   ///< wikitext of the line after it
  bool with_sentence;       ///< its sentence was dropped, because it is none without it
};

using LostTemplateSink = std::function<void(const LostTemplate&)>;

}  // namespace pretrain::wikitext
