// SPDX-License-Identifier: Apache-2.0
#pragma once
// The facts about a wiki, from its dump, that reading its pages depends on.

#include <map>
#include <string>

namespace pretrain {

struct WikiSite {
  std::string language;                   ///< such as "en" or "zh-yue", from the dump; empty when unknown
  std::map<int, std::string> namespaces;  ///< local name by number, as siteinfo gives them; may be empty
};

}  // namespace pretrain
