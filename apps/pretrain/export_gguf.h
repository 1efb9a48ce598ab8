// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model as a GGUF file, for llama.cpp and programs that are built on it.

#include <stop_token>
#include <string>
#include <vector>

#include "apps/pretrain/model_folder.h"
#include "libs/checkpoint/folder_writer.h"
#include "libs/gguf/content.h"

namespace pretrain {

/// Keys and tensors of the file. A matrix whose rows are no whole blocks of `type` is f16.
/// Errors: kUsage for a tokenizer that can't be written.
GgufOutline gguf_outline(const ModelOutline& model, const std::string& name, ElementType type);

/// NAME.gguf, and a Modelfile from which `ollama create` makes a model of it.
/// Requires: `model` outlives the writing.
/// Errors: as above; of the writing: kData; kUsage when a value does not fit the type; Stopped.
std::vector<FileContent> gguf_files(const ModelOutline& model, const std::string& name, ElementType type,
                                    const std::stop_token& stop);

}  // namespace pretrain
