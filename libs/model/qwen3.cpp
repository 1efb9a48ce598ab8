// SPDX-License-Identifier: Apache-2.0
// Qwen3: Llama with a norm of each query and key head before the rotation, and heads whose size is free of the width.
// Source: Qwen3ForCausalLM of Hugging Face transformers.

#include "libs/model/gated_transformer.h"

namespace pretrain {

const Architecture& qwen3() {
  static const Architecture description =
      describe({.name = "qwen3",
                .class_name = "Qwen3ForCausalLM",
                .norms_heads = true,
                .missing_head_size = [](const ModelConfig&) { return int64_t{128}; },
                .choices = {.rope_theta = 10'000, .norm_epsilon = 1e-6},
                .config = {{"use_sliding_window", ComputationField{{false}}}}});
  return description;
}

}  // namespace pretrain
