// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether the first bytes of a file are text in UTF-8, and what the user can do if they are not. Thread-safe:
// pure functions.

#include <cstdint>
#include <string>
#include <string_view>

namespace pretrain {

/// Why bytes are not text in UTF-8, with a remedy: another encoding by its mark or by its zero bytes, binary data,
/// or mostly bytes that are not UTF-8. Empty for text, even if parts of it are damaged.
std::string not_utf8_reason(std::string_view head);

/// What is wrong with text that is read nevertheless: the share of what is not UTF-8, and a remedy. Empty if it
/// is at most 1 byte of 10,000, which may be damage.
std::string utf8_doubt(std::string_view head);

/// Whether so many places that are not UTF-8 in so many bytes are more than damage.
constexpr bool is_doubtful(uint64_t places, uint64_t bytes) {
  return places > 2 && places * 10'000 > bytes;
}

}  // namespace pretrain
