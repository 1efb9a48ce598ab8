// SPDX-License-Identifier: Apache-2.0
#pragma once
// The configuration of a training run with types and defaults. options.h says how the user writes it, and
// configuration.h how it is checked, stored and merged. Plain values.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/pretrain/machines.h"
#include "apps/pretrain/manners.h"
#include "libs/base/file.h"
#include "libs/model/config.h"
#include "libs/train/trainer.h"
#include "pipeline/loader.h"
#include "tokenizer/vocabulary.h"

namespace pretrain {

/// Number format of matrix products; `kAuto`: the fastest one on this processor.
enum class PrecisionChoice { kAuto, kFloat32, kBf16 };

/// The initialisers are the defaults of the keys; run_keys.cpp binds each key to its member.
struct RunConfiguration {
  Path state_folder;
  CorpusOptions corpus;
  std::vector<Path> validation_inputs;
  std::string preset = "base";
  ModelConfig model;    ///< its vocabulary is the requested size; the tokenizer may have fewer pieces
  Path initial_model;   ///< whose weights and tokenizer the run starts with; empty: random ones
  Path tokenizer_file;  ///< empty: train one
  TextChanges tokenizer_changes = TextChanges::kRefuse;  ///< of the model in tokenizer_file
  VocabularyOptions vocabulary;
  DeduplicationOptions deduplication;
  Packing packing = Packing::kConcat;
  int64_t batch = 16;
  int64_t micro_batch_tokens = 2048;
  uint64_t beta2_half_life_tokens = 0;  ///< 0: beta2 as it is given
  uint64_t rate_tokens = 0;             ///< of a step that the learning rate is for; 0: any
  uint64_t shuffle_buffer = 50'000;
  size_t queue = 32;
  uint64_t seed = 1;
  uint64_t validation_tokens = 32'768;
  uint32_t epochs = 0;
  int workers = 0;  ///< 0: to_configuration() derives it from the number of cores
  int threads = 0;  ///< 0: to_configuration() derives it from the number of cores
  PrecisionChoice precision = PrecisionChoice::kAuto;
  StoreOptions store;
  TrainerOptions trainer{.schedule = {.warmup_steps = 100}};
  uint64_t sample_tokens = 120;
  std::vector<std::string> sample_prompts;
  MannersOptions manners;
  std::string on_event;  ///< a command; empty: none
  Path metrics_file;     ///< empty: none
  MachinesOptions machines;

  /// Derived from other members by to_configuration().
  std::optional<CorpusOptions> validation_corpus = {};
};

}  // namespace pretrain
