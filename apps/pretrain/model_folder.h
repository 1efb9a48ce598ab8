#pragma once
// A checkpoint opened for use: read only, without the lock of its run.

#include <memory>
#include <string>

#include "libs/base/file.h"
#include "libs/checkpoint/verify.h"
#include "libs/model/config.h"
#include "libs/model/parameters.h"
#include "libs/tensor/buffer.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Model and tokenizer of one checkpoint.
struct ModelFolder {
  Checkpoint checkpoint;
  ModelConfig config;
  std::unique_ptr<ParameterLayout> layout;
  Buffer<float> parameters;
  std::unique_ptr<Tokenizer> tokenizer;
};

/// The checkpoint folder itself, or the newest verified checkpoint of a run's state folder.
/// Errors: kData when there is none or it is damaged.
Checkpoint open_checkpoint(const Path& path);

/// Opens it and reads the parameters. Errors: as above.
ModelFolder open_model(const Path& path);

/// A SentencePiece model: the file itself, or that of a checkpoint folder. Errors: kData.
Tokenizer open_tokenizer(const Path& path);

}  // namespace pretrain
