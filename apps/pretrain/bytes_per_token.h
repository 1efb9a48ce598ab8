// SPDX-License-Identifier: Apache-2.0
#pragma once
// How much English text a token of a vocabulary holds, for estimates before a vocabulary is trained.

#include <cstdint>

namespace pretrain {

/// Size of a vocabulary of characters: 64 of English and the byte pieces.
constexpr int64_t kEnglishCharacters = 320;

/// Bytes of English Wikipedia in a token of a vocabulary of this size: measured up to 16,000 pieces, beyond that
/// continued with the logarithm of the size.
double english_bytes_per_token(int64_t vocabulary);

}  // namespace pretrain
