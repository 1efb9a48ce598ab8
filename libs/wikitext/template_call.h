// SPDX-License-Identifier: Apache-2.0
#pragma once
// A call of a template, as its rule sees it. Views: what they show must outlive it.

#include <string_view>

#include "libs/wikitext/template_arguments.h"

namespace pretrain::wikitext {

/// One call, with the place where it is made.
struct TemplateCall {
  std::string_view name;  ///< of the template, as written
  const TemplateArguments& arguments;
  std::string_view language;  ///< of the wiki, "" when unknown
  std::string_view title;     ///< of the page
  std::string_view before;    ///< text of the line before it
  bool failed = false;        ///< a function in its arguments can't be computed
  bool lost = false;          ///< a template in its arguments is not known
};

}  // namespace pretrain::wikitext
