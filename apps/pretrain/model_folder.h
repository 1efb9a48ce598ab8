// SPDX-License-Identifier: Apache-2.0
#pragma once
// Opens a model for use, read-only and without the lock of a run. The model may be a checkpoint, a run's
// newest checkpoint, a folder without a manifest and optimizer state, such as one saved by transformers, or a GGUF
// file.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libs/base/file.h"
#include "libs/checkpoint/verify.h"
#include "libs/model/config.h"
#include "libs/model/parameters.h"
#include "libs/tensor/buffer.h"
#include "libs/train/weight_reader.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Where the files of a model are.
struct ModelPlace {
  Path folder;                           ///< or the GGUF file
  std::optional<Checkpoint> checkpoint;  ///< verified; empty for a model without a run

  /// "checkpoint of step 1,000", or "model DIR".
  std::string name() const;
  /// The path of one of its files.
  /// Errors: kData when the manifest does not list it.
  Path file(std::string_view name) const;
  /// Whether links are followed. A checkpoint never has links; the cache of Hugging Face consists of them.
  Links links() const { return checkpoint ? Links::kRefuse : Links::kFollow; }
};

/// A model whose weights can be read, one tensor at a time, and its tokenizer.
struct ModelOutline {
  ModelPlace place;
  ModelConfig config = {};
  std::unique_ptr<ParameterLayout> layout = {};
  std::unique_ptr<WeightReader> weights = {};
  std::unique_ptr<Tokenizer> tokenizer = {};
};

/// The same with all weights in memory.
struct ModelFolder : ModelOutline {
  Buffer<float> parameters;
};

/// Whether the folder has config.json and weights but is not a checkpoint of a run: it has no manifest, or no
/// optimizer state and is outside of a state folder.
bool is_model_without_run(const Path& path);

/// The checkpoint folder itself, or the newest verified checkpoint of a run (its state folder, or the folder
/// `checkpoints` in it).
/// Errors: kData when there is none or it is damaged.
Checkpoint open_checkpoint(const Path& path);

/// A model without a run, or else as open_checkpoint().
/// Errors: as open_checkpoint().
ModelPlace find_model(const Path& path);

/// Finds the model and opens all of it, but reads no weights yet. A `tokenizer` that is given replaces its own.
/// Errors: kData, naming what is missing, damaged or not supported.
ModelOutline open_model_outline(const Path& path, const Path& tokenizer = {});

/// Finds the model and reads its parameters.
/// Errors: kData, naming what is missing, damaged or not supported.
ModelFolder open_model(const Path& path);

/// The tokenizer at `path`: the file itself, or the one of a model folder or of a run's newest checkpoint.
/// `changes`: of a SentencePiece model that is a file; leaving them out is logged.
/// Errors: kData.
Tokenizer open_tokenizer(const Path& path, TextChanges changes = TextChanges::kRefuse);

/// The tokenizer of a checkpoint.
/// Errors: kData.
Tokenizer tokenizer_of(const Checkpoint& checkpoint);

/// Adds unused pieces to a byte-level tokenizer that has fewer than its model has rows, as many published models do
/// whose number of rows is a round one.
void fit_vocabulary(Tokenizer& tokenizer, int64_t rows);

}  // namespace pretrain
