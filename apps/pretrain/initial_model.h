// SPDX-License-Identifier: Apache-2.0
#pragma once
// --init-from: a new run starts with the weights, sizes and tokenizer of a model that was trained elsewhere, or by
// another run.

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/model_folder.h"
#include "libs/model/parameters.h"

namespace pretrain {

/// The model that the given keys name, opened; nothing when they name none. The tokenizer is the model's own, or that
/// of --tokenizer.
/// Errors: kData, as open_model_outline().
std::optional<ModelOutline> open_initial_model(const KeyValues& given);

/// All keys of a new run: as resolve(), and with a model its sizes. The context may be shorter than the model's. Unless
/// a learning rate is given, it is one for weights that have learned already.
/// Errors: kUsage, naming a given key that contradicts the model; as resolve().
KeyValues resolve_new(const KeyValues& given, const ModelOutline* model);

/// Writes the weights of the model into the parameters of a run with the same sizes and perhaps a shorter context.
/// Errors: kData, naming what can't be read.
void read_initial_weights(const ModelOutline& model, const ParameterLayout& layout, float* parameters);

/// For the manifest: where the weights came from, and the hash of each file.
/// Errors: IoError.
nlohmann::json record_of(const ModelOutline& model);

/// The lines that `pretrain inspect` prints about such a record; empty when it is another kind.
std::string describe_initial_model(const nlohmann::json& parent);

}  // namespace pretrain
