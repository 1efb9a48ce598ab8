// SPDX-License-Identifier: Apache-2.0
#include "libs/model/gated_transformer.h"

#include <string>
#include <utility>

namespace pretrain {
namespace {

using nlohmann::json;

/// Sources: LlamaConfig and Qwen3Config of Hugging Face transformers 4 and 5. Every field is written, as the defaults
/// of classes and versions differ, and the base of the positions in both of its spellings.
std::vector<ConfigField> config_fields(const GatedTransformer& kind) {
  std::vector<ConfigField> fields{
      {"num_hidden_layers", SizeField{&ModelConfig::layers}},
      {"hidden_size", SizeField{&ModelConfig::d_model}},
      {"num_attention_heads", SizeField{&ModelConfig::heads}},
      {"num_key_value_heads",
       SizeField{&ModelConfig::kv_heads, [](const ModelConfig& c) { return c.heads; }}},
      {"head_dim", SizeField{&ModelConfig::head_channels, kind.missing_head_size}},
      {"intermediate_size", SizeField{&ModelConfig::d_ff}},
      {"vocab_size", SizeField{&ModelConfig::vocabulary}},
      {"max_position_embeddings", SizeField{&ModelConfig::context}},
      {"rms_norm_eps", NumberField{&ModelConfig::norm_epsilon, 1e-6}},
      {"rope_theta", NumberField{&ModelConfig::rope_theta, 10'000}},
      {"rope_parameters", RotaryField{&ModelConfig::rope_theta}},
      {"partial_rotary_factor", ComputationField{.values = {1, nullptr}, .is_written = false}},
      {"tie_word_embeddings", FlagField{&ModelConfig::tied, false}},
      {"hidden_act", ComputationField{{"silu", "swish"}}},
      {"attention_bias", ComputationField{{false}}},
      {"quantization_config", ComputationField{.values = {nullptr}, .is_written = false}},
      {"architectures", NoteField{json::array({std::string(kind.class_name)})}},
      {"attention_dropout", NoteField{0.0}},
      {"initializer_range", NoteField{0.02}},
      {"use_cache", NoteField{true}},
      {"torch_dtype", NoteField{"float32"}},
      {"bos_token_id", EndOfTextField{}},
      {"eos_token_id", EndOfTextField{}}};
  fields.insert(fields.end(), kind.config.begin(), kind.config.end());
  return fields;
}

LinearSpec linear(std::string_view name) {
  return {.name = name, .order = MatrixOrder::kOutIn, .has_bias = false};
}

NormSpec norm(std::string_view name) {
  return {.name = name, .kind = NormKind::kRmsNorm};
}

RotaryAttentionSpec attention(bool norms_heads) {
  RotaryAttentionSpec spec{.norm = norm("input_layernorm"),
                           .q = "self_attn.q_proj",
                           .k = "self_attn.k_proj",
                           .v = "self_attn.v_proj",
                           .output = linear("self_attn.o_proj")};
  if (norms_heads) {
    spec.q_norm = "self_attn.q_norm";
    spec.k_norm = "self_attn.k_norm";
  }
  return spec;
}

/// Source: src/llama-arch.cpp of llama.cpp.
std::vector<ConfigField> gguf_keys() {
  const auto all_heads = [](const ModelConfig& c) { return c.heads; };
  const auto width_of_a_head = [](const ModelConfig& c) { return c.heads > 0 ? c.d_model / c.heads : 0; };
  return {{"block_count", SizeField{&ModelConfig::layers}},
          {"context_length", SizeField{&ModelConfig::context}},
          {"embedding_length", SizeField{&ModelConfig::d_model}},
          {"feed_forward_length", SizeField{&ModelConfig::d_ff}},
          {"attention.head_count", SizeField{&ModelConfig::heads}},
          {"attention.head_count_kv", SizeField{&ModelConfig::kv_heads, all_heads}},
          {"attention.key_length", SizeField{&ModelConfig::head_channels, width_of_a_head}},
          {"attention.value_length", CopyField{&ModelConfig::head_channels}},
          {"attention.layer_norm_rms_epsilon", NumberField{&ModelConfig::norm_epsilon, 1e-6}},
          {"rope.freq_base", NumberField{&ModelConfig::rope_theta, 10'000}},
          {"rope.dimension_count", CopyField{&ModelConfig::head_channels}},
          {"vocab_size", SizeField{&ModelConfig::vocabulary}}};
}

GgufNames gguf_names(const GatedTransformer& kind) {
  GgufModule q{"self_attn.q_proj", "attn_q"};
  GgufModule k{"self_attn.k_proj", "attn_k"};
  if (kind.gguf_interleaves_heads) {
    q.interleaved_heads = &ModelConfig::heads;
    k.interleaved_heads = &ModelConfig::kv_heads;
  }
  return {
      .model = {{"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}},
      .layer = {{"input_layernorm", "attn_norm"},
                q,
                k,
                {"self_attn.v_proj", "attn_v"},
                {"self_attn.q_norm", "attn_q_norm"},
                {"self_attn.k_norm", "attn_k_norm"},
                {"self_attn.o_proj", "attn_output"},
                {"post_attention_layernorm", "ffn_norm"},
                {"mlp.gate_proj", "ffn_gate"},
                {"mlp.up_proj", "ffn_up"},
                {"mlp.down_proj", "ffn_down"}},
      .keys = gguf_keys()};
}

}  // namespace

Architecture describe(const GatedTransformer& kind) {
  return {.name = kind.name,
          .embedding = {.tokens = "model.embed_tokens"},
          .layers = "model.layers",
          .layer = {attention(kind.norms_heads), GatedMlpSpec{.norm = norm("post_attention_layernorm"),
                                                              .gate = linear("mlp.gate_proj"),
                                                              .up = linear("mlp.up_proj"),
                                                              .down = linear("mlp.down_proj")}},
          .head = {.norm = norm("model.norm"), .weight = "lm_head"},
          // Early versions of transformers saved the frequencies of the positions as tensors.
          .weights = {.optional_prefix = "model.",
                      .tied_head = "lm_head.weight",
                      .ignored_suffixes = {".rotary_emb.inv_freq"}},
          .config = config_fields(kind),
          .gguf = gguf_names(kind),
          .choices = kind.choices};
}

}  // namespace pretrain
