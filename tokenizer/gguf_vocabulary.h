// SPDX-License-Identifier: Apache-2.0
#pragma once
// The same tokenizer as keys of a GGUF file, for llama.cpp and programs that are built on it. Ids and decoded
// text are those of Tokenizer, except that with a SentencePiece model U+2581 in the text counts as a blank there, and
// that llama.cpp leaves text as it is where byte-level BPE applies NFC. Stateless, thread-safe.

#include <vector>

#include "libs/gguf/content.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Keys tokenizer.ggml.*: pieces, scores or merges, kinds, special ids, and that nothing is put before or after a text.
/// Errors: kUsage for a unigram model, which llama.cpp does not encode as it was trained, and for byte pairs that split
/// text as no model does that llama.cpp knows.
std::vector<GgufEntry> gguf_vocabulary(const Tokenizer& tokenizer);

}  // namespace pretrain
