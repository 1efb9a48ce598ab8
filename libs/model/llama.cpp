// SPDX-License-Identifier: Apache-2.0
// Llama: RMSNorm, rotary positions, SwiGLU. Source: LlamaForCausalLM of Hugging Face transformers.

#include "libs/model/gated_transformer.h"

namespace pretrain {

const Architecture& llama() {
  static const Architecture description = describe(
      {.name = "llama",
       .class_name = "LlamaForCausalLM",
       .gguf_interleaves_heads = true,
       .missing_head_size = [](const ModelConfig& c) { return c.heads > 0 ? c.d_model / c.heads : 0; },
       .choices = {.rope_theta = 10'000, .norm_epsilon = 1e-5, .heads_divide_width = true},
       .config = {{"mlp_bias", ComputationField{{false}}},
                  {"rope_interleaved", ComputationField{.values = {false}, .is_written = false}},
                  {"pretraining_tp", ComputationField{.values = {1}, .is_written = false}}}});
  return description;
}

}  // namespace pretrain
