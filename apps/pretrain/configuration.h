#pragma once
// A training run's configuration with types, from the text of the key table.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/pretrain/options.h"
#include "libs/base/file.h"
#include "libs/model/config.h"
#include "libs/model/memory_plan.h"
#include "libs/tensor/precision.h"
#include "libs/train/trainer.h"
#include "pipeline/loader.h"
#include "tokenizer/vocabulary.h"

namespace pretrain {

struct RunConfiguration {
  Path state_folder;
  CorpusOptions corpus;
  std::optional<CorpusOptions> validation_corpus;
  ModelConfig model;  ///< vocabulary: what was asked for; the tokenizer may have fewer pieces
  bool characters = false;
  Path tokenizer_file;  ///< empty: train one
  VocabularyOptions vocabulary;
  Packing packing = Packing::kConcat;
  int64_t batch = 16;
  int64_t micro_batch_tokens = 2048;
  uint64_t shuffle_buffer = 50'000;
  size_t queue = 32;
  uint64_t seed = 1;
  uint64_t validation_tokens = 32'768;
  uint32_t epochs = 0;
  int workers = 1;
  int threads = 1;
  StoreOptions store;
  TrainerOptions trainer;
  uint64_t sample_tokens = 120;
};

/// All keys with their values: what was given, else what the preset says, else the default.
/// Errors: kUsage for an unknown preset.
KeyValues resolve(const KeyValues& given);

/// Errors: kUsage, naming key, value and what is allowed.
RunConfiguration to_configuration(const KeyValues& resolved);

/// "f32", "bf16", or "auto" for what is fastest on this processor. Errors: kUsage.
Precision parse_precision(const std::string& text);

/// The state folder that was named, or the default one.
Path state_folder_of(const KeyValues& given);

/// For the manifest, and back.
nlohmann::json to_json(const KeyValues& resolved);
KeyValues from_json(const nlohmann::json& json);

/// The configuration to continue a run with: the saved one, changed by what was given.
/// Errors: kUsage, listing each fixed key that was given with another value.
KeyValues merge_for_resume(const KeyValues& saved, const KeyValues& given);

/// The configuration of a branch: that of its parent, changed by what was given.
/// Errors: kUsage, listing each key of the model that was given with another value.
KeyValues merge_for_branch(const KeyValues& parent, const KeyValues& given);

/// A saved configuration with the keys that the saving program did not know, or had not decided.
KeyValues complete(KeyValues saved);

/// Whether two texts are the same value of a key: "1e-3" and "0.001" are.
bool same_value(const std::string& a, const std::string& b);

}  // namespace pretrain
