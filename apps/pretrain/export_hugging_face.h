// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model as a folder of Hugging Face: what transformers opens, without optimizer and stream.

#include <cstdint>
#include <stop_token>
#include <vector>

#include "apps/pretrain/model_folder.h"
#include "libs/checkpoint/folder_writer.h"
#include "libs/gguf/element_type.h"

namespace pretrain {

/// Weights are cut into several files beyond this, as uploads and file systems have limits.
inline constexpr uint64_t kMostShardBytes = 2'000'000'000;

/// model.safetensors, or model-00001-of-00003.safetensors and so on with model.safetensors.index.json. A file
/// has at most `most_bytes` of tensors, or a single larger one.
/// Requires: the model outlives the writing; no q8_0.
/// Errors: kUsage when that would be more files than this program opens; of the writing: kData; kUsage when a
/// value does not fit the type; Stopped.
std::vector<FileContent> hugging_face_weights(const ModelOutline& model, ElementType type,
                                              uint64_t most_bytes, const std::stop_token& stop);

/// Weights, configuration and tokenizer.
/// Requires: as above.
std::vector<FileContent> hugging_face_files(const ModelOutline& model, ElementType type, uint64_t most_bytes,
                                            const std::stop_token& stop);

}  // namespace pretrain
