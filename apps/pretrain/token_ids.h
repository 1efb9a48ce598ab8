// SPDX-License-Identifier: Apache-2.0
#pragma once
// Token ids as the user writes them. Stateless, thread-safe.

#include <cstdint>
#include <string>
#include <vector>

namespace pretrain {

/// Ids between blanks or line breaks.
/// Errors: kUsage, naming the first word that is no id below `vocabulary`.
std::vector<uint32_t> parse_token_ids(const std::string& text, uint32_t vocabulary);

}  // namespace pretrain
