// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parts of a request's target, such as "/api/v1/runs?limit=20". Stateless, thread-safe.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace pretrain {

struct WebTarget {
  std::string path;                               ///< as it was sent: an encoded path names nothing
  std::map<std::string, std::string> query = {};  ///< decoded; of equal names the first
};

/// Empty for a target that is no path, or whose query is not encoded as it must be.
std::optional<WebTarget> parse_target(std::string_view target);

/// The value of a parameter that must be an integer from `least` to `most`; `otherwise` when it is absent.
/// Errors: kUsage, such as "limit must be an integer from 1 to 1,000 (got -3)".
uint64_t count_in(const WebTarget& target, const std::string& name, uint64_t otherwise, uint64_t least,
                  uint64_t most);

/// The value of a parameter, or "".
std::string text_in(const WebTarget& target, const std::string& name);

}  // namespace pretrain
