// SPDX-License-Identifier: Apache-2.0
#pragma once
// The config.json and generation_config.json of a model folder, from the fields of the architecture.

#include <cstdint>
#include <span>

#include <nlohmann/json.hpp>

#include "libs/model/architecture.h"
#include "libs/model/config.h"

namespace pretrain {

/// The `config.json` that Hugging Face transformers reads.
nlohmann::json hugging_face_config(const ModelConfig& config, uint32_t end_of_text);

/// The `generation_config.json` in the same folder. Its max_length keeps transformers within the context.
nlohmann::json hugging_face_generation_config(const ModelConfig& config, uint32_t end_of_text);

/// The inverse of hugging_face_config, for files of transformers too: keys that they leave out have their
/// default.
/// Errors: kData, naming what is missing or asks for another computation than ours.
ModelConfig config_from_hugging_face(const nlohmann::json& json,
                                     std::span<const Architecture* const> known = architectures());

}  // namespace pretrain
