// SPDX-License-Identifier: Apache-2.0
#pragma once
// Exports the tokenizer in the format of Hugging Face `tokenizers`, so that other programs can open a
// checkpoint folder. Ids and decoded text equal those of Tokenizer, except that with a SentencePiece model U+2581 in
// the text counts as a blank. The name of a special piece ("<|endoftext|>") in the text is plain text for programs that read
// tokenizer_config.json, such as transformers; the library `tokenizers` only reads tokenizer.json and encodes
// it as the piece. Stateless, thread-safe.

#include <cstdint>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Content of `tokenizer.json`.
std::string hugging_face_tokenizer_json(const Tokenizer& tokenizer);

/// Content of `tokenizer_config.json`.
/// Units: `context` in tokens.
std::string hugging_face_tokenizer_config(const Tokenizer& tokenizer, uint32_t context);

struct TokenizerFile {
  std::string name, text;
};

/// The files of a model folder: these two, and before them the SentencePiece model if there is one, which some
/// programs read.
/// Units: as above.
std::vector<TokenizerFile> hugging_face_tokenizer(const Tokenizer& tokenizer, uint32_t context);

}  // namespace pretrain
