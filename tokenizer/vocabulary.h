// SPDX-License-Identifier: Apache-2.0
#pragma once
// Trains a SentencePiece vocabulary from a sample of the corpus. Thread-safe, but call it before the
// program's threads start (see run_in_child).

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "tokenizer/model_proto.h"

namespace pretrain {

struct VocabularyOptions {
  TokenizerType type = TokenizerType::kBpe;
  /// Maximum number of pieces; a small sample gives fewer. Ids: 0 `<|unk|>`, 1 `<|endoftext|>`, 256 bytes,
  /// then the learned pieces.
  uint32_t pieces = 16000;
};

/// Trains a vocabulary and returns the serialized model. Runs in a child process, so that a stop is immediate
/// and the memory is released. `on_progress` gets a short line for the user from time to time.
/// Requires: documents are valid UTF-8 (bad bytes are skipped).
/// Errors: kData when the documents hold no text; kUsage for fewer than 300 pieces; kRuntime when the trainer
/// fails; Stopped.
/// Repeatability: equal documents (in order) and options give equal bytes, on any number of cores.
std::string train_vocabulary(const std::vector<std::string>& documents, const VocabularyOptions& options,
                             const std::function<void(std::string)>& on_progress,
                             const std::stop_token& stop);

}  // namespace pretrain
