// SPDX-License-Identifier: Apache-2.0
// GPT-2: LayerNorm, learned positions, one matrix for q, k and v, GELU, biases, tied head. Matrices are
// stored as Conv1D has them, [in, out]. Source: GPT2LMHeadModel of Hugging Face transformers.

#include <algorithm>

#include "libs/model/architecture.h"
#include "libs/tensor/layer_norm.h"

namespace pretrain {
namespace {

using nlohmann::json;

int64_t four_times_the_width(const ModelConfig& c) {
  constexpr int64_t kLargest = 65536;  // what is larger is refused by its own name
  return 4 * std::clamp<int64_t>(c.d_model, 0, kLargest);
}

std::vector<ConfigField> config_fields() {
  return {{"n_layer", SizeField{&ModelConfig::layers}},
          {"n_embd", SizeField{&ModelConfig::d_model}},
          {"n_head", SizeField{&ModelConfig::heads}},
          {"n_inner", SizeField{&ModelConfig::d_ff, four_times_the_width}},
          {"vocab_size", SizeField{&ModelConfig::vocabulary}},
          {"n_positions", SizeField{&ModelConfig::context}},
          {"n_ctx", CopyField{&ModelConfig::context}},
          // The two names of the activation are one formula.
          {"activation_function", ComputationField{{"gelu_new", "gelu_pytorch_tanh"}}},
          // Also as float32 prints it.
          {"layer_norm_epsilon", ComputationField{{1e-5, double{kLayerNormEpsilon}}}},
          {"scale_attn_weights", ComputationField{{true}}},
          {"scale_attn_by_inverse_layer_idx", ComputationField{{false}}},
          {"add_cross_attention", ComputationField{{false}}},
          {"tie_word_embeddings", ComputationField{{true}}},
          {"quantization_config", ComputationField{.values = {nullptr}, .is_written = false}},
          {"architectures", NoteField{json::array({"GPT2LMHeadModel"})}},
          {"attn_pdrop", NoteField{0.0}},
          {"embd_pdrop", NoteField{0.0}},
          {"resid_pdrop", NoteField{0.0}},
          {"initializer_range", NoteField{0.02}},
          {"reorder_and_upcast_attn", NoteField{false}},
          {"use_cache", NoteField{true}},
          {"torch_dtype", NoteField{"float32"}},
          {"bos_token_id", EndOfTextField{}},
          {"eos_token_id", EndOfTextField{}}};
}

/// Source: src/llama-arch.cpp and conversion/gpt2.py of llama.cpp.
GgufNames gguf_names() {
  return {.model = {{"transformer.wte", "token_embd"},
                    {"transformer.wpe", "position_embd"},
                    {"transformer.ln_f", "output_norm"}},
          .layer = {{"ln_1", "attn_norm"},
                    {"attn.c_attn", "attn_qkv"},
                    {"attn.c_proj", "attn_output"},
                    {"ln_2", "ffn_norm"},
                    {"mlp.c_fc", "ffn_up"},
                    {"mlp.c_proj", "ffn_down"}},
          .keys = {{"block_count", SizeField{&ModelConfig::layers}},
                   {"context_length", SizeField{&ModelConfig::context}},
                   {"embedding_length", SizeField{&ModelConfig::d_model}},
                   {"feed_forward_length", SizeField{&ModelConfig::d_ff}},
                   {"attention.head_count", SizeField{&ModelConfig::heads}},
                   {"attention.layer_norm_epsilon", ComputationField{{double{kLayerNormEpsilon}}}},
                   {"vocab_size", SizeField{&ModelConfig::vocabulary}}}};
}

}  // namespace

const Architecture& gpt2() {
  static const Architecture description{
      .name = "gpt2",
      .embedding = {.tokens = "transformer.wte", .positions = "transformer.wpe"},
      .layers = "transformer.h",
      .layer = {AttentionSpec{.norm = {"ln_1"}, .qkv = {"attn.c_attn"}, .output = {"attn.c_proj"}},
                MlpSpec{.norm = {"ln_2"}, .up = {"mlp.c_fc"}, .down = {"mlp.c_proj"}}},
      .head = {.norm = {"transformer.ln_f"}},
      // The suffixes are those of the causal mask, which early versions of transformers saved as tensors.
      .weights = {.optional_prefix = "transformer.",
                  .tied_head = "lm_head.weight",
                  .ignored_suffixes = {".attn.bias", ".attn.masked_bias"}},
      .config = config_fields(),
      .gguf = gguf_names()};
  return description;
}

}  // namespace pretrain
