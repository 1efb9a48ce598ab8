#pragma once
// Training a SentencePiece vocabulary from a sample of the corpus. Thread-safe, but see run_in_child: call it
// before the threads of the program start.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "tokenizer/model_proto.h"

namespace pretrain {

struct VocabularyOptions {
  TokenizerType type = TokenizerType::kBpe;
  /// Upper limit; a small sample gives fewer. Ids: 0 `<|unk|>`, 1 `<|endoftext|>`, 256 bytes, then the
  /// learned ones.
  uint32_t pieces = 16000;
};

/// Trains a vocabulary and returns the serialized model, in a child process that a stop ends at once and that
/// takes its memory along. `on_progress` gets a short line for a person now and then.
/// Requires: documents are valid UTF-8 (bad bytes are passed over).
/// Errors: kData when the documents hold no text; kUsage for fewer than 300 pieces; kRuntime when the trainer
/// fails; Stopped.
/// Repeatability: equal documents (in order) and options give equal bytes, on any number of cores.
std::string train_vocabulary(const std::vector<std::string>& documents, const VocabularyOptions& options,
                             const std::function<void(std::string)>& on_progress,
                             const std::stop_token& stop);

}  // namespace pretrain
