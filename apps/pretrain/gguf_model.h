// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model's sizes and tensors as a GGUF file has them, by the description of its architecture. Stateless,
// thread-safe.

#include <span>
#include <string>
#include <vector>

#include "libs/gguf/content.h"
#include "libs/model/config.h"
#include "libs/model/parameter_table.h"

namespace pretrain {

/// The keys of a model without those of its tokenizer. `name` is shown to users.
std::vector<GgufEntry> gguf_model_entries(const ModelConfig& config, const std::string& name,
                                          ElementType type);

/// Where a tensor is in the file. Norms, biases and positions are f32; a matrix whose rows are no whole blocks
/// of `type` is f16, as other converters have it.
GgufTensor gguf_tensor(const ModelConfig& config, const ParameterInfo& tensor, ElementType type);

/// Brings the elements of a tensor into the order of the file.
/// Aliasing: `there` is not `here`.
/// Requires: tensor.size places in both.
void to_gguf_order(const ModelConfig& config, const ParameterInfo& tensor, std::span<const float> here,
                   std::span<float> there);
/// The inverse.
void from_gguf_order(const ModelConfig& config, const ParameterInfo& tensor, std::span<const float> there,
                     std::span<float> here);

}  // namespace pretrain
