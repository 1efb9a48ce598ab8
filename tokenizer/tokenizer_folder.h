// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds the tokenizer of a model folder, of this program or of Hugging Face. Stateless, thread-safe.

#include <string>
#include <vector>

#include "libs/base/file.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Whether the folder has a file that may be a tokenizer.
bool has_tokenizer(const Path& folder);

/// The tokenizer of `tokenizer.model`, of `byte_pairs.json`, or of a byte-level `tokenizer.json`, whichever is there,
/// in this order. The token that ends a document of the last one is named by eos_token in `tokenizer_config.json`, or
/// else by eos_token_id in `config.json`.
/// Errors: kData, naming the file: missing, damaged or not supported.
Tokenizer tokenizer_in(const Path& folder);

/// A tokenizer in a file: a SentencePiece model, byte pairs, or a tokenizer.json with its neighbours as above.
/// Errors: as above.
Tokenizer tokenizer_at(const Path& file, TextChanges changes = TextChanges::kRefuse);

}  // namespace pretrain
