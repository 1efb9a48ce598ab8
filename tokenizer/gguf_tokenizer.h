// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads the tokenizer of a GGUF file, the inverse of gguf_vocabulary.h. Stateless, thread-safe.

#include <vector>

#include "libs/gguf/content.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// The tokenizer that keys tokenizer.ggml.* describe: SentencePiece's pair encoding ("llama"), or byte-level BPE
/// ("gpt2") whose way to split text is known. Text is left as it is: a file does not say whether the model's
/// own tokenizer applies NFC.
/// Errors: kData, one line: keys that are missing, contradict each other, or mean another encoding.
Tokenizer tokenizer_of_gguf(const std::vector<GgufEntry>& metadata);

}  // namespace pretrain
