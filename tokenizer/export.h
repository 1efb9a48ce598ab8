#pragma once
// The same tokenizer in the format of Hugging Face `tokenizers`, so that a checkpoint folder opens as it is.
// Ids and decoded text are those of Tokenizer, with two exceptions: U+2581 in the text counts as a blank
// there, and the name of a special piece in the text becomes that piece (in a unigram model the name of a
// byte piece too, when its characters have no pieces of their own). Stateless, thread-safe.

#include <cstdint>
#include <string>

#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Content of `tokenizer.json`.
std::string hugging_face_tokenizer_json(const Tokenizer& tokenizer);

/// Content of `tokenizer_config.json`. Units: `context` in tokens.
std::string hugging_face_tokenizer_config(const Tokenizer& tokenizer, uint32_t context);

}  // namespace pretrain
