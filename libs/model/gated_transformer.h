// SPDX-License-Identifier: Apache-2.0
#pragma once
// What llama and its successors have in common: RMSNorm, rotary positions, grouped key-value heads, SwiGLU, no biases,
// a head that may be tied. Matrices are stored as nn.Linear has them, [out, in].

#include <string_view>

#include "libs/model/architecture.h"

namespace pretrain {

/// How one of them differs.
struct GatedTransformer {
  std::string_view name;
  std::string_view class_name;  ///< of transformers
  bool norms_heads = false;     ///< queries and keys, before the rotation
  /// llama.cpp turns neighbouring channels of a head, and its files have the rows of q and k in that order.
  bool gguf_interleaves_heads = false;
  int64_t (*missing_head_size)(const ModelConfig& so_far);
  ArchitectureChoices choices;
  std::vector<ConfigField> config = {};  ///< what its config.json has besides the common fields
};

Architecture describe(const GatedTransformer& kind);

}  // namespace pretrain
