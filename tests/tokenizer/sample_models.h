// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small vocabularies and texts for the tests, made from built-in sentences. Deterministic.

#include <cstdint>
#include <string>
#include <vector>

#include "libs/base/rng.h"
#include "tokenizer/tokenizer.h"

namespace pretrain::test {

inline constexpr TokenizerType kAllTypes[] = {TokenizerType::kBpe, TokenizerType::kUnigram,
                                              TokenizerType::kChar};

/// Documents in several languages, about 60 KB, with seeded made-up words so that merges abound.
const std::vector<std::string>& sample_documents();

/// A model of at most 1,200 pieces trained on sample_documents(), trained once per process.
const Tokenizer& sample_tokenizer(TokenizerType type);

/// A string of up to `characters` code points from all planes, rich in blanks, marks, bytes and known words.
std::string random_text(Rng& rng, uint64_t characters);

std::string to_utf8(uint32_t code_point);

std::vector<uint32_t> encode(const Tokenizer& tokenizer, std::string_view text);

}  // namespace pretrain::test
