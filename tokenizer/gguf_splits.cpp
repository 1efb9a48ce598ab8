// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/gguf_splits.h"

#include <algorithm>

namespace pretrain {
namespace {

/// Of several names for one thing, the first is written.
const std::vector<GgufSplits>& known_splits() {
  using Rule = SplitRule;
  static const std::vector<GgufSplits> known{{"gpt-2", {Rule::kGpt2}},
                                             {"smollm", {Rule::kDigits, Rule::kGpt2}},
                                             {"starcoder", {Rule::kDigits, Rule::kGpt2}},
                                             {"qwen2", {Rule::kQwen2}},
                                             {"llama-bpe", {Rule::kLlama3}, true},
                                             {"llama3", {Rule::kLlama3}, true},
                                             {"llama-v3", {Rule::kLlama3}, true},
                                             {"smaug-bpe", {Rule::kLlama3}}};
  return known;
}

const GgufSplits* pointer_to(std::vector<GgufSplits>::const_iterator found) {
  return found == known_splits().end() ? nullptr : &*found;
}

}  // namespace

const GgufSplits* find_gguf_splits(const BytePairModel& model) {
  return pointer_to(std::ranges::find_if(known_splits(), [&](const GgufSplits& known) {
    return known.splits == model.splits && known.joins_whole_words == model.joins_whole_words;
  }));
}

const GgufSplits* find_gguf_splits(std::string_view name) {
  return pointer_to(std::ranges::find(known_splits(), name, &GgufSplits::name));
}

}  // namespace pretrain
