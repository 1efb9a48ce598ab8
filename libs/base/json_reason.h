// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the JSON library says of a value that does not fit, for a message to the user.

#include <string_view>

namespace pretrain {

/// The message of one of its exceptions without the name of the exception in brackets before it: "type must be string, but
/// is number".
inline std::string_view json_reason(std::string_view what) {
  const size_t end = what.starts_with("[json.exception.") ? what.find("] ") : std::string_view::npos;
  return end == std::string_view::npos ? what : what.substr(end + 2);
}

}  // namespace pretrain
