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
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace pretrain {

/// Numbers of the operands of products; `kAuto`: what is fastest on this processor.
enum class PrecisionChoice { kAuto, kFloat32, kBf16 };

/// Members hold the defaults of the keys; options.cpp binds each key to its member.
struct RunConfiguration {
  Path state_folder;
  CorpusOptions corpus;
  std::vector<Path> validation_inputs;
  std::string preset = "base";
  ModelConfig model;    ///< vocabulary: what was asked for; the tokenizer may have fewer pieces
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
  int workers = 0;  ///< 0: by the machine; to_configuration() decides
  int threads = 0;  ///< 0: by the machine; to_configuration() decides
  PrecisionChoice precision = PrecisionChoice::kAuto;
  StoreOptions store;
  TrainerOptions trainer{.schedule = {.warmup_steps = 100}};
  uint64_t sample_tokens = 120;

  /// Follows from the others in to_configuration().
  std::optional<CorpusOptions> validation_corpus = {};
};

/// All keys with their values: what was given, else what the preset says, else the default.
/// Errors: kUsage, naming the key.
KeyValues resolve(const KeyValues& given);

/// Types, bounds, and what one key says about another.
/// Errors: kUsage, naming key, value and what is allowed.
RunConfiguration to_configuration(const KeyValues& resolved);

/// "f32", "bf16", or "auto" for what is fastest on this processor.
/// Errors: kUsage.
Precision parse_precision(const std::string& text);

/// The state folder that was named, or the default one, absolute.
/// Errors: kUsage when there is no default.
Path state_folder_of(const KeyValues& given);

/// For the manifest, and back: an object of key and text.
/// Errors: kData, naming the key, when a value is something else or none that the key can have: the fault of
/// the state folder, not of the command line.
nlohmann::json to_json(const KeyValues& resolved);
KeyValues from_json(const nlohmann::json& json);
/// What a manifest says, with types; nothing of this machine is in it. Errors: as from_json.
RunConfiguration configuration_in(const nlohmann::json& json);

/// What a stream of text depends on.
AssemblerOptions assembler_options(const RunConfiguration& config, const Tokenizer& tokenizer);

/// As a configuration file, in the groups of the help; keys without a value are comments.
std::string to_ini(const KeyValues& resolved);

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
