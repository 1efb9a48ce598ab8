// SPDX-License-Identifier: Apache-2.0
#pragma once
// The letters that byte-level vocabularies write bytes as, so that each token is readable text: a printable
// character of Latin-1 for its own byte, U+0100 and following for the others ("Ġ" is a blank). Stateless,
// thread-safe.
// Source: the vocabulary of GPT-2.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pretrain {

/// Bytes as letters.
std::string to_byte_letters(std::string_view bytes);

/// The bytes of letters. Nothing when a character is no such letter, or the text is not UTF-8.
std::optional<std::string> from_byte_letters(std::string_view letters);

}  // namespace pretrain
