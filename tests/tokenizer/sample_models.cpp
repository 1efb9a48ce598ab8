// SPDX-License-Identifier: Apache-2.0
#include "tests/tokenizer/sample_models.h"

#include <array>
#include <map>
#include <string_view>

#include "tokenizer/vocabulary.h"

namespace pretrain::test {
namespace {

constexpr std::string_view kSentences[] = {
    "Anarchism is a political philosophy that advocates self-governed societies based on voluntary "
    "institutions.",
    "The capital of the United Kingdom is London; in 1851 it held the Great Exhibition (6,039,722 visitors).",
    "Der Begriff Übermaß beschreibt in der Technik das Verhältnis größerer Maße zueinander.",
    "東京は日本の首都であり、世界最大の都市圏を形成している。",
    "维基百科是一个自由内容、公开编辑的网络百科全书协作计划。",
    "ويكيبيديا هي موسوعة متعددة اللغات، مبنية على الويب، ذات محتوى حر.",
    " = Robert <unk> = \n Robert <unk> is an English film , television and theatre actor @-@ born in 1980 . ",
    "The albedo\u00a0of snow is 0.9;\tthat of charcoal 0.04.\r\nNa\u00efve caf\u00e9s and e\u0301 differ.",
};

constexpr std::string_view kSyllables[] = {"ka",  "to", "re",  "mi",  "son", "ber",
                                           "ing", "al", "der", "ous", "th",  "x"};

std::string made_up_document(Rng& rng) {
  std::string text;
  for (int word = 0; word < 400; ++word) {
    for (uint64_t n = 1 + rng.below(3); n > 0; --n) text += kSyllables[rng.below(std::size(kSyllables))];
    text += rng.below(12) == 0 ? "\n" : " ";
  }
  return text;
}

std::string_view random_fragment(Rng& rng) {
  constexpr std::string_view kFragments[] = {" ",
                                             "  ",
                                             "    ",
                                             "\n",
                                             "\n\n",
                                             "\t",
                                             "\r\n",
                                             "\xE2\x96\x81",
                                             "\xEF\xBF\xBD",
                                             "the ",
                                             " The",
                                             "ing",
                                             "été",
                                             "東京",
                                             "<0x41>",
                                             "<|endoftext|>",
                                             "<|unk|>",
                                             "<unk>",
                                             "12",
                                             "😀",
                                             "👩‍🚀",
                                             "e\u0301",
                                             "\u202e",
                                             "\ufeff",
                                             "\u2585",
                                             "a"};
  return kFragments[rng.below(std::size(kFragments))];
}

uint32_t random_code_point(Rng& rng) {
  constexpr std::array<uint32_t, 4> kLimits = {0x80, 0x800, 0x10000, 0x110000};
  const auto code_point = static_cast<uint32_t>(rng.below(kLimits[rng.below(kLimits.size())]));
  const bool surrogate = code_point >= 0xD800 && code_point < 0xE000;
  return surrogate ? 0xFFFF : code_point;
}

}  // namespace

const std::vector<std::string>& sample_documents() {
  static const std::vector<std::string> documents = [] {
    std::vector<std::string> made;
    Rng rng(7);
    for (int i = 0; i < 24; ++i) {
      for (const std::string_view sentence : kSentences) made.emplace_back(sentence);
      made.push_back(made_up_document(rng));
    }
    return made;
  }();
  return documents;
}

const Tokenizer& sample_tokenizer(TokenizerType type) {
  static std::map<TokenizerType, Tokenizer> models;
  auto found = models.find(type);
  if (found == models.end()) {
    std::string model = train_vocabulary(sample_documents(), {.type = type, .pieces = 1200}, {}, {});
    found = models.emplace(type, Tokenizer::from_serialized(std::move(model))).first;
  }
  return found->second;
}

std::string to_utf8(uint32_t code_point) {
  const auto tail = [&](unsigned shift) { return static_cast<char>(0x80 | (code_point >> shift & 0x3F)); };
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  if (code_point < 0x800) return {static_cast<char>(0xC0 | code_point >> 6), tail(0)};
  if (code_point < 0x10000) return {static_cast<char>(0xE0 | code_point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | code_point >> 18), tail(12), tail(6), tail(0)};
}

std::string random_text(Rng& rng, uint64_t characters) {
  std::string text;
  for (uint64_t n = rng.below(characters + 1); n > 0; --n) {
    if (rng.below(2) == 0) {
      text += random_fragment(rng);
    } else {
      text += to_utf8(random_code_point(rng));
    }
  }
  return text;
}

std::vector<uint32_t> encode(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<uint32_t> ids;
  tokenizer.encode(text, ids);
  return ids;
}

}  // namespace pretrain::test
