// SPDX-License-Identifier: Apache-2.0
#pragma once
// The normalization NFC, for tokenizers that apply it before they encode. Stateless, thread-safe.

#include <string>
#include <string_view>

namespace pretrain {

/// The text in NFC, as the library `tokenizers` computes it: with the combining marks of Unicode 9, so that a
/// newer mark separates what is around it. Linear in the length of the text.
/// Requires: text is valid UTF-8.
std::string composed(std::string_view text);

}  // namespace pretrain
