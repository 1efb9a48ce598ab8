// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/token_ids.h"

#include <sstream>

#include "libs/base/error.h"
#include "libs/base/number.h"

namespace pretrain {

std::vector<uint32_t> parse_token_ids(const std::string& text, uint32_t vocabulary) {
  std::vector<uint32_t> ids;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto id = parse_number<uint32_t>(word);
    if (!id || *id >= vocabulary)
      fail(ErrorKind::kUsage, "ids must be integers below {} (got {})", vocabulary, word.substr(0, 40));
    ids.push_back(*id);
  }
  return ids;
}

}  // namespace pretrain
