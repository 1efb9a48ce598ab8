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
      {"rope_scaling", ComputationField{.values = {nullptr}, .is_written = false}},
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
          .choices = kind.choices};
}

}  // namespace pretrain
