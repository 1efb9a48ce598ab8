// SPDX-License-Identifier: Apache-2.0
#pragma once
// The typed configuration of a training run, and its conversions: from the texts of the key table
// (options.h), to and from the manifest and the configuration file, and its merge with what a resume or a
// branch changes.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/run_keys.h"
#include "libs/base/file.h"
#include "libs/model/config.h"
#include "libs/model/memory_plan.h"
#include "libs/tensor/precision.h"
#include "libs/train/trainer.h"
#include "pipeline/loader.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace pretrain {

/// All keys with their values: the given value, else that of the preset, else the default.
/// Errors: kUsage, naming the key.
KeyValues resolve(const KeyValues& given);

/// The typed configuration, after checks of single keys and of their combinations.
/// Errors: kUsage, naming the key, its value and the allowed values.
RunConfiguration to_configuration(const KeyValues& resolved);

/// What to call the model: the name of its preset, or, where other sizes were chosen, architecture, layers and width, such
/// as "qwen3 4 x 256".
std::string model_name(const RunConfiguration& config);

/// Decides where a schedule that falls ends, unless that is given: at the limit of the run. `epoch_tokens` is
/// the length of an epoch, if the limit may be in epochs. Returns whether it decided.
/// Requires: the run has a limit.
/// Errors: kUsage when a cooldown would end before it starts.
bool fix_schedule_end(RunConfiguration& config, KeyValues& values, uint64_t epoch_tokens);

/// "f32", "bf16", or "auto" for the fastest on this processor.
/// Errors: kUsage.
Precision parse_precision(const std::string& text);

/// The absolute path of the given state folder, or of the default one.
/// Errors: kUsage when no folder is given and there is no default.
Path state_folder_of(const KeyValues& given);

/// Converts to and from the manifest's JSON: an object with a text for each key.
/// Errors: kData, naming the key, when a value is not a text or not allowed. The state folder is wrong then,
/// not the command line.
nlohmann::json to_json(const KeyValues& resolved);
KeyValues from_json(const nlohmann::json& json);
/// The typed configuration in a manifest, without values derived from this machine.
/// Errors: as from_json().
RunConfiguration configuration_in(const nlohmann::json& json);

/// The options that determine the stream of batches.
AssemblerOptions assembler_options(const RunConfiguration& config, const Tokenizer& tokenizer);

/// The text of a configuration file, grouped as in the help. Keys without a value are written as comments.
std::string to_ini(const KeyValues& resolved);

/// The configuration of a resumed run: the saved one with the given changes.
/// Errors: kUsage, listing each fixed key that was given another value.
KeyValues merge_for_resume(const KeyValues& saved, const KeyValues& given);

/// The configuration of a branch: its parent's with the given changes.
/// Errors: kUsage, listing each key of the model that was given another value.
KeyValues merge_for_branch(const KeyValues& parent, const KeyValues& given);

/// Adds to a saved configuration the keys that an older version did not have or left undecided.
KeyValues complete(KeyValues saved);

/// Whether two texts mean the same value of a key, as "1e-3" and "0.001" do.
bool same_value(const std::string& a, const std::string& b);

}  // namespace pretrain
