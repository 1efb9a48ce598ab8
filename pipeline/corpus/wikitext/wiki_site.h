#pragma once
// What a dump says of the wiki it comes from, as far as reading its pages depends on it.

#include <map>
#include <string>

namespace pretrain {

struct WikiSite {
  std::string language;                   ///< such as "en" or "zh-yue", from the dump; empty when unknown
  std::map<int, std::string> namespaces;  ///< local name by number, as siteinfo gives them; may be empty
};

}  // namespace pretrain
