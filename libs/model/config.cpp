#include "libs/model/config.h"

#include <algorithm>
#include <array>
#include <vector>

#include "libs/base/error.h"

namespace pretrain {
namespace {

// Learning rates are starting points, higher for narrower models; they have not been swept. That of
// `shakespeare` reaches a validation loss of 1.72 nats a character in 1,000 steps on tiny Shakespeare.
constexpr std::array<Preset, 10> kPresets{{
    {"base", 6, 512, 8, 2048, 16000, 256, 16, 1e-3, 0.005, "the reference configuration"},
    {"large", 6, 512, 8, 2048, 32000, 128, 64, 1e-3, 0.005, "production vocabulary and batch"},
    {"xl-vocab", 6, 512, 8, 2048, 50000, 128, 16, 1e-3, 0.005, "a very large vocabulary"},
    {"quality", 4, 384, 6, 1536, 16000, 128, 32, 1e-3, 0.005, "smaller, still good"},
    {"prototype", 2, 256, 4, 1024, 10000, 64, 32, 1.5e-3, 0.005, "quick experiments"},
    {"shakespeare", 4, 128, 8, 512, 0, 64, 32, 3e-3, 0.1, "characters, tiny Shakespeare in minutes"},
    {"small", 2, 128, 4, 512, 0, 64, 8, 2e-3, 0.1, "characters, seconds"},
    {"v2", 1, 256, 4, 1024, 0, 64, 8, 2e-3, 0.1, "characters, one wide layer"},
    {"tiny", 1, 64, 4, 256, 0, 32, 8, 3e-3, 0.1, "characters, about 50,000 parameters"},
    {"fast", 3, 256, 4, 1024, 16000, 128, 32, 1.5e-3, 0.005, "fast development on real text"},
}};

void require(bool good, const char* what, int64_t value, const char* remedy) {
  if (!good) fail(ErrorKind::kUsage, "model size {} = {} can't be used: {}", what, value, remedy);
}

int64_t integer_field(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_integer()) {
    fail(ErrorKind::kData, "config.json: '{}' is missing or no integer", key);
  }
  return found->get<int64_t>();
}

/// A value as it is written, in ASCII, and not more than a line of it.
std::string shown(const nlohmann::json& value) {
  constexpr size_t kMost = 100;
  const std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

/// A key that says how a GPT-2 computes. Left out, it has transformers' default, which is always the first of
/// these values; another one is another model, whose weights would compute something else here.
struct Computation {
  const char* key;
  std::vector<nlohmann::json> values;
};

const std::vector<Computation>& computations() {
  // The two names of the activation are one formula. The epsilon is that of the kernels, also as float32
  // prints it.
  static const std::vector<Computation> all = {{"activation_function", {"gelu_new", "gelu_pytorch_tanh"}},
                                               {"layer_norm_epsilon", {1e-5, double{1e-5F}}},
                                               {"scale_attn_weights", {true}},
                                               {"scale_attn_by_inverse_layer_idx", {false}},
                                               {"add_cross_attention", {false}},
                                               {"tie_word_embeddings", {true}},
                                               {"quantization_config", {nullptr}}};
  return all;
}

void require_our_computation(const nlohmann::json& json) {
  for (const Computation& computation : computations()) {
    const auto found = json.find(computation.key);
    if (found == json.end() || std::ranges::find(computation.values, *found) != computation.values.end())
      continue;
    fail(ErrorKind::kData, "config.json: {} = {} is not supported; this version computes with {}",
         computation.key, shown(*found), shown(computation.values.front()));
  }
}

/// The MLP's width; null, the default, means four times the model's.
int64_t mlp_width(const nlohmann::json& json, int64_t d_model) {
  const auto found = json.find("n_inner");
  if (found != json.end() && !found->is_null()) return integer_field(json, "n_inner");
  return 4 * std::clamp<int64_t>(d_model, 0, 65536);  // what lies outside is refused by its own name
}

void validate_as_data(const ModelConfig& config) {
  try {
    validate(config);
  } catch (const Error& error) {
    fail(ErrorKind::kData, "config.json: {}", error.what());
  }
}

}  // namespace

void validate(const ModelConfig& c) {
  if (c.architecture != "gpt2") {
    fail(ErrorKind::kUsage, "architecture '{}' is not known; this version trains gpt2", c.architecture);
  }
  require(c.layers >= 1 && c.layers <= 1024, "layers", c.layers, "use 1 to 1024");
  require(c.d_model >= 8 && c.d_model <= 65536, "d-model", c.d_model, "use 8 to 65536");
  require(c.heads >= 1 && c.d_model % c.heads == 0, "heads", c.heads, "it must divide d-model");
  require(c.d_ff >= 8 && c.d_ff <= 262144, "d-ff", c.d_ff, "use 8 to 262144");
  require(c.vocabulary >= 2 && c.vocabulary <= 4'000'000, "vocabulary", c.vocabulary, "use 2 to 4,000,000");
  require(c.context >= 2 && c.context <= 65536, "context", c.context, "use 2 to 65536");
}

std::span<const Preset> presets() {
  return kPresets;
}

std::optional<Preset> find_preset(std::string_view name) {
  const auto found =
      std::find_if(kPresets.begin(), kPresets.end(), [&](const Preset& p) { return p.name == name; });
  return found == kPresets.end() ? std::nullopt : std::optional(*found);
}

ModelConfig model_config(const Preset& preset, int64_t characters) {
  return {.layers = preset.layers,
          .d_model = preset.d_model,
          .heads = preset.heads,
          .d_ff = preset.d_ff,
          .vocabulary = preset.vocabulary == 0 ? characters : preset.vocabulary,
          .context = preset.context};
}

int64_t matrix_parameters(const ModelConfig& c) {
  return c.layers * (4 * c.d_model * c.d_model + 2 * c.d_model * c.d_ff) + c.vocabulary * c.d_model;
}

double flops_per_token(const ModelConfig& c) {
  return 6.0 * static_cast<double>(matrix_parameters(c)) +
         12.0 * static_cast<double>(c.layers * c.d_model) * static_cast<double>(c.context) / 2;
}

nlohmann::json hugging_face_config(const ModelConfig& c, uint32_t end_of_text) {
  return {{"architectures", {"GPT2LMHeadModel"}},
          {"model_type", "gpt2"},
          {"activation_function", "gelu_new"},
          {"n_layer", c.layers},
          {"n_embd", c.d_model},
          {"n_head", c.heads},
          {"n_inner", c.d_ff},
          {"vocab_size", c.vocabulary},
          {"n_positions", c.context},
          {"n_ctx", c.context},
          {"layer_norm_epsilon", 1e-5},
          {"attn_pdrop", 0.0},
          {"embd_pdrop", 0.0},
          {"resid_pdrop", 0.0},
          {"initializer_range", 0.02},
          {"scale_attn_weights", true},
          {"scale_attn_by_inverse_layer_idx", false},
          {"reorder_and_upcast_attn", false},
          {"add_cross_attention", false},
          {"use_cache", true},
          {"tie_word_embeddings", true},
          {"bos_token_id", end_of_text},
          {"eos_token_id", end_of_text},
          {"torch_dtype", "float32"}};
}

nlohmann::json hugging_face_generation_config(const ModelConfig& c, uint32_t end_of_text) {
  return {{"bos_token_id", end_of_text},
          {"eos_token_id", end_of_text},
          {"pad_token_id", end_of_text},
          {"max_length", c.context}};
}

ModelConfig config_from_hugging_face(const nlohmann::json& json) {
  const auto type = json.find("model_type");
  if (type == json.end() || *type != "gpt2") {
    fail(ErrorKind::kData, "config.json: model_type {} is not supported; this version computes gpt2",
         type == json.end() ? "(which is missing)" : shown(*type));
  }
  require_our_computation(json);
  ModelConfig c;
  c.layers = integer_field(json, "n_layer");
  c.d_model = integer_field(json, "n_embd");
  c.heads = integer_field(json, "n_head");
  c.d_ff = mlp_width(json, c.d_model);
  c.vocabulary = integer_field(json, "vocab_size");
  c.context = integer_field(json, "n_positions");
  validate_as_data(c);
  return c;
}

}  // namespace pretrain
