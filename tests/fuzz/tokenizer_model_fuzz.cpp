// SPDX-License-Identifier: Apache-2.0
// A SentencePiece model, whatever it holds: an error of one line, or a tokenizer that keeps text.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kText = "The capital 東京  of\n  Übermaß <0x41> 1851\xE2\x96\x81 aabab";
  try {
    const auto tokenizer =
        pretrain::Tokenizer::from_serialized(std::string(reinterpret_cast<const char*>(data), size));
    std::vector<uint32_t> ids;
    tokenizer.encode(kText, ids);
    for (const uint32_t id : ids) PRETRAIN_CHECK(id < tokenizer.vocabulary_size(), "id {}", id);
    PRETRAIN_CHECK(tokenizer.decode(ids) == kText, "it turns text into '{}'", tokenizer.decode(ids));
  } catch (const pretrain::Error& error) {
    const std::string_view line = error.what();
    PRETRAIN_CHECK(error.kind() == pretrain::ErrorKind::kData && line.size() < 1000, "{}", line);
  }
  return 0;
}
