// SPDX-License-Identifier: Apache-2.0
#pragma once
// Distinguishes checkpoints that another program has rewritten from damaged ones. A checkpoint is a Hugging
// Face model folder, so users may call `save_pretrained` on it, which rewrites tokenizer.json,
// tokenizer_config.json and config.json, gives model.safetensors another header, and adds files. A file that
// is well formed and has another length was rewritten on purpose; damage does not do that. Thread-safe: no
// state.

#include <string_view>

#include "libs/base/file.h"
#include "libs/checkpoint/manifest.h"

namespace pretrain {

constexpr std::string_view kModelFile = "model.safetensors";

/// Files that only other programs read. A run continues without them and writes them again.
bool is_for_other_programs(std::string_view name);

/// config.json. transformers rewrites it, but while the weights are unchanged it describes the same model.
bool is_config_of_transformers(const Path& folder, const ManifestFile& expected);

/// Whether the file differs from what was written but is complete: a configuration, or a model in which only
/// the header was rewritten. Always false for files that only this program writes.
bool is_rewritten(const Path& folder, const ManifestFile& expected);

}  // namespace pretrain
