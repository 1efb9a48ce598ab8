// SPDX-License-Identifier: Apache-2.0
#pragma once
// Encodes text from an exported tokenizer.json alone, by the published rules of the Hugging Face library, as
// slowly and plainly as possible.

#include <cstdint>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace pretrain::test {

/// Requires: json is an exported BPE or Unigram tokenizer with byte fallback; text is valid UTF-8 without
/// U+2581.
std::vector<uint32_t> segment_by_json(const nlohmann::json& json, std::string_view text);

}  // namespace pretrain::test
