#pragma once
// Telling a checkpoint that another program saved anew from one that is damaged. A checkpoint is a Hugging
// Face model folder, and `save_pretrained` into it is an ordinary thing to do: it writes tokenizer.json,
// tokenizer_config.json and config.json in its own words, model.safetensors with its own header, and adds
// files. Damage is never well formed and of another length; what is both was written on purpose.
// Thread-safe: no state.

#include <string_view>

#include "libs/base/file.h"
#include "libs/checkpoint/manifest.h"

namespace pretrain {

constexpr std::string_view kModelFile = "model.safetensors";

/// Files that a checkpoint holds for other programs only. A run continues without them and writes them again.
bool is_for_other_programs(std::string_view name);

/// config.json as transformers saves it: it describes the same model as long as the weights are the same.
bool is_config_of_transformers(const Path& folder, const ManifestFile& expected);

/// The file differs from what was written, but is a whole file of its kind: a configuration, or a model whose
/// header alone was worded anew. Never for the files that only this program writes.
bool is_rewritten(const Path& folder, const ManifestFile& expected);

}  // namespace pretrain
