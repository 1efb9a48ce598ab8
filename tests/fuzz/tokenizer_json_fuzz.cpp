// SPDX-License-Identifier: Apache-2.0
// A tokenizer.json, whatever it holds: an error of one line, or a byte-level vocabulary that keeps text.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "tokenizer/byte_pair_model.h"
#include "tokenizer/composition.h"
#include "tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kText =
      "The capital \xE6\x9D\xB1\xE4\xBA\xAC  of\n  it's <think> 1851\xCC\xA3\xCC\x81 aabab";
  try {
    const auto tokenizer = pretrain::Tokenizer::from_byte_pairs(
        pretrain::parse_tokenizer_json({reinterpret_cast<const char*>(data), size}));
    std::vector<uint32_t> ids;
    tokenizer.encode(kText, ids);
    for (const uint32_t id : ids) PRETRAIN_CHECK(id < tokenizer.vocabulary_size(), "id {}", id);
    const std::string text = tokenizer.decode(ids);
    PRETRAIN_CHECK(pretrain::composed(text) == pretrain::composed(kText), "it turns text into '{}'", text);
    const auto again = pretrain::Tokenizer::from_serialized(tokenizer.serialized());
    PRETRAIN_CHECK(again.hash() == tokenizer.hash(), "it is written as another one");
  } catch (const pretrain::Error& error) {
    const std::string_view line = error.what();
    PRETRAIN_CHECK(error.kind() == pretrain::ErrorKind::kData && line.size() < 20'000, "{}", line);
  }
  return 0;
}
