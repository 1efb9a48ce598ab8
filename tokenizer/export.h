#pragma once
// The same tokenizer in the format of Hugging Face `tokenizers`, so that a checkpoint folder opens as it is.
// Ids and decoded text are those of Tokenizer, except that U+2581 in the text counts as a blank there. The
// name of a special piece ("<|endoftext|>") in the text is text as long as tokenizer_config.json is there and
// is believed (transformers does); the library `tokenizers` alone reads tokenizer.json only and makes it the
// piece. Stateless, thread-safe.

#include <cstdint>
#include <string>

#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Content of `tokenizer.json`.
std::string hugging_face_tokenizer_json(const Tokenizer& tokenizer);

/// Content of `tokenizer_config.json`.
/// Units: `context` in tokens.
std::string hugging_face_tokenizer_config(const Tokenizer& tokenizer, uint32_t context);

}  // namespace pretrain
