#pragma once
// A model opened for use: read only, without the lock of a run. It may be a checkpoint, a run's newest one,
// or a folder that was handed on: without manifest and optimizer, also as saved by transformers.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libs/base/file.h"
#include "libs/checkpoint/verify.h"
#include "libs/model/config.h"
#include "libs/model/parameters.h"
#include "libs/tensor/buffer.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Where a model's files lie.
struct ModelPlace {
  Path folder;
  std::optional<Checkpoint> checkpoint;  ///< verified; nothing for a model without a run

  /// "checkpoint of step 1,000", or "model DIR".
  std::string name() const;
  /// The path of one of its files. Errors: kData when the manifest does not list it.
  Path file(std::string_view name) const;
  /// A model that was handed on may be made of links (the cache of Hugging Face is); a checkpoint never is.
  Links links() const { return checkpoint ? Links::kRefuse : Links::kFollow; }
};

/// Model and tokenizer.
struct ModelFolder {
  ModelPlace place;
  ModelConfig config;
  std::unique_ptr<ParameterLayout> layout;
  Buffer<float> parameters;
  std::unique_ptr<Tokenizer> tokenizer;
};

/// config.json and weights are there, but not what a run needs: no manifest, or no optimizer, outside of the
/// folder of a run.
bool is_model_without_run(const Path& path);

/// The checkpoint folder itself, or the newest verified checkpoint of a run (its state folder, or the folder
/// `checkpoints` in it). Errors: kData when there is none or it is damaged.
Checkpoint open_checkpoint(const Path& path);

/// A model without a run, or open_checkpoint. Errors: as there.
ModelPlace find_model(const Path& path);

/// Finds it and reads the parameters. Errors: kData, naming what is missing, damaged or not supported.
ModelFolder open_model(const Path& path);

/// A SentencePiece model: the file itself, or that of a model folder or of a run's newest checkpoint.
/// Errors: kData.
Tokenizer open_tokenizer(const Path& path);

}  // namespace pretrain
