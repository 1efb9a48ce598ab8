// SPDX-License-Identifier: Apache-2.0
#pragma once
// How byte-level vocabularies split text, by the names that GGUF files have for it. Stateless, thread-safe.
// Source: src/llama-vocab.cpp of llama.cpp.

#include <string_view>
#include <vector>

#include "tokenizer/byte_pair_model.h"

namespace pretrain {

/// The value of tokenizer.ggml.pre, and what it means.
struct GgufSplits {
  std::string_view name;
  std::vector<SplitRule> splits;
  bool joins_whole_words = false;
};

/// Null when no name means what the model does.
const GgufSplits* find_gguf_splits(const BytePairModel& model);
/// Null for a name that is not known here.
const GgufSplits* find_gguf_splits(std::string_view name);

}  // namespace pretrain
