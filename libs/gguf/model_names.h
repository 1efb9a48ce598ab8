// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names in a GGUF file: keys for the sizes of a model, names of its tensors. One table for each architecture
// maps the names of a checkpoint, which are those of Hugging Face. Stateless, thread-safe.
// Source: src/llama-arch.cpp and conversion/gpt2.py of llama.cpp.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/gguf/content.h"

namespace pretrain {

/// The facts that readers need to compute with the tensors.
struct GgufModel {
  std::string name;          ///< shown to the user
  std::string architecture;  ///< "gpt2"
  uint32_t layers = 0;
  uint32_t width = 0;       ///< C
  uint32_t mlp_width = 0;   ///< F
  uint32_t heads = 0;       ///< H
  uint32_t context = 0;     ///< T
  uint32_t vocabulary = 0;  ///< V
  float norm_epsilon = 0;
  ElementType type = ElementType::kF32;  ///< of the matrices
};

/// Whether a model of this architecture can be written.
bool has_gguf_names(std::string_view architecture);

/// The keys of a model without those of its tokenizer.
/// Requires: has_gguf_names(model.architecture).
std::vector<GgufEntry> model_metadata(const GgufModel& model);

/// How a tensor of the checkpoint is written.
struct GgufPlace {
  GgufTensor tensor;           ///< as it is in the file
  bool is_transposed = false;  ///< its rows are the columns of the checkpoint's
};

/// Where a tensor goes: norms, biases and positions stay f32; a matrix whose rows are no whole blocks of
/// `type` becomes f16, as other converters have it. Nothing when the architecture has no such tensor.
/// Shapes: `shape` is row-major, as in the checkpoint.
std::optional<GgufPlace> gguf_place(std::string_view architecture, std::string_view name,
                                    const std::vector<uint64_t>& shape, ElementType type);

}  // namespace pretrain
