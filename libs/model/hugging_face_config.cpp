// SPDX-License-Identifier: Apache-2.0
#include "libs/model/hugging_face_config.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fmt/ranges.h>

#include "libs/base/error.h"
#include "libs/base/text.h"
#include "libs/model/longest_context.h"

namespace pretrain {
namespace {

constexpr const char* kModelType = "model_type";
constexpr const char* kRotaryType = "rope_type";
constexpr const char* kOldRotary = "rope_scaling";  // what transformers 4 calls the object of a RotaryField
constexpr const char* kOldRotaryType = "type";
constexpr const char* kPlainRotary = "default";
constexpr const char* kRotaryBase = "rope_theta";
constexpr const char* kRotaryShare = "partial_rotary_factor";

constexpr size_t kShown = 100;  // bytes of a value: not more than a line

/// A value as it is written, in ASCII.
std::string shown(const nlohmann::json& value) {
  const std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return text.size() <= kShown ? text : text.substr(0, kShown) + "...";
}

/// The kind of rotary positions, in either spelling of its key: "default" unless the file says otherwise.
std::string rotary_kind(const nlohmann::json& value) {
  for (const char* key : {kRotaryType, kOldRotaryType}) {
    const auto found = value.find(key);
    if (found == value.end() || found->is_null()) continue;
    return found->is_string() ? printable(found->get_ref<const std::string&>().substr(0, kShown))
                              : shown(*found);
  }
  return kPlainRotary;
}

/// Whether a member leaves the positions plain. Those of kind "default" have no use for the sizes of scaled ones.
bool is_plain_member(std::string_view name, const nlohmann::json& member, bool has_kind) {
  if (member.is_null() || name == kRotaryBase || name == kRotaryType || name == kOldRotaryType) return true;
  if (name == kRotaryShare) return member == 1;
  return has_kind && (name == "factor" || name == "original_max_position_embeddings");
}

/// Fails unless the object describes rotary positions that are neither scaled nor of a part of the channels.
void check_plain_rotary(const std::string& key, const nlohmann::json& value) {
  if (!value.is_object()) fail(ErrorKind::kData, "config.json: {} = {} is no object", key, shown(value));
  if (const std::string kind = rotary_kind(value); kind != kPlainRotary) {
    fail(
        ErrorKind::kData,
        "config.json: {} of kind \"{}\" is not supported; this version computes plain rotary positions, kind "
        "\"{}\"",
        key, kind, kPlainRotary);
  }
  const bool has_kind = value.contains(kRotaryType) || value.contains(kOldRotaryType);
  for (const auto& [name, member] : value.items()) {
    if (is_plain_member(name, member, has_kind)) continue;
    fail(ErrorKind::kData,
         "config.json: {} with {} = {} is not supported; this version computes plain rotary positions", key,
         printable(name.substr(0, kShown)), shown(member));
  }
}

/// What a field is in the file; nothing when it is only read.
class FieldWriter {
 public:
  FieldWriter(const ModelConfig& config, uint32_t end_of_text) : config_(config), end_of_text_(end_of_text) {}

  std::optional<nlohmann::json> operator()(const SizeField& f) const { return config_.*f.member; }
  std::optional<nlohmann::json> operator()(const CopyField& f) const { return config_.*f.member; }
  std::optional<nlohmann::json> operator()(const NumberField& f) const { return config_.*f.member; }
  std::optional<nlohmann::json> operator()(const FlagField& f) const { return config_.*f.member; }
  std::optional<nlohmann::json> operator()(const RotaryField& f) const {
    return nlohmann::json{{kRotaryType, kPlainRotary}, {kRotaryBase, config_.*f.member}};
  }
  std::optional<nlohmann::json> operator()(const ComputationField& f) const {
    return f.is_written ? std::optional(f.values.front()) : std::nullopt;
  }
  std::optional<nlohmann::json> operator()(const NoteField& f) const { return f.value; }
  std::optional<nlohmann::json> operator()(const EndOfTextField&) const { return end_of_text_; }

 private:
  const ModelConfig& config_;
  uint32_t end_of_text_;
};

/// Takes the sizes over and checks the computations, field by field in the order of the table.
class FieldReader {
 public:
  FieldReader(const nlohmann::json& json, const char* key, ModelConfig& config)
      : json_(json), key_(key), config_(config) {}

  void operator()(const SizeField& f) const {
    const auto found = json_.find(key_);
    const bool missing = found == json_.end() || found->is_null();
    config_.*f.member = missing && f.missing != nullptr ? f.missing(config_) : integer(found);
  }
  void operator()(const ComputationField& f) const {
    const auto found = json_.find(key_);
    if (found == json_.end() || std::ranges::find(f.values, *found) != f.values.end()) return;
    fail(ErrorKind::kData, "config.json: {} = {} is not supported; this version computes with {}", key_,
         shown(*found), shown(f.values.front()));
  }
  void operator()(const NumberField& f) const {
    const auto found = json_.find(key_);
    config_.*f.member = found == json_.end() || found->is_null() ? f.missing : number(*found, key_);
  }
  void operator()(const FlagField& f) const {
    const auto found = json_.find(key_);
    if (found == json_.end() || found->is_null()) {
      config_.*f.member = f.missing;
    } else if (found->is_boolean()) {
      config_.*f.member = found->get<bool>();
    } else {
      fail(ErrorKind::kData, "config.json: {} = {} is neither true nor false", key_, shown(*found));
    }
  }
  void operator()(const RotaryField& f) const {
    for (const char* key : {key_, kOldRotary}) read_rotary(key, f);
  }
  void operator()(const CopyField&) const {}
  void operator()(const NoteField&) const {}
  void operator()(const EndOfTextField&) const {}

 private:
  static double number(const nlohmann::json& value, std::string_view key) {
    if (!value.is_number()) fail(ErrorKind::kData, "config.json: {} = {} is no number", key, shown(value));
    return value.get<double>();
  }
  void read_rotary(const char* key, const RotaryField& f) const {
    const auto found = json_.find(key);
    if (found == json_.end() || found->is_null()) return;
    check_plain_rotary(key, *found);
    const auto base = found->find(kRotaryBase);
    if (base == found->end() || base->is_null()) return;
    const double inner = number(*base, kRotaryBase);
    // Programs disagree on which of two comes first.
    const auto outer = json_.find(kRotaryBase);
    if (outer != json_.end() && outer->is_number() && outer->get<double>() != inner)
      fail(ErrorKind::kData,
           "config.json: {} = {} contradicts {} = {}; leave the one that the model was trained with",
           kRotaryBase, shown(*outer), key, shown(*found));
    config_.*f.member = inner;
  }
  int64_t integer(const nlohmann::json::const_iterator& found) const {
    if (found == json_.end() || !found->is_number_integer()) {
      fail(ErrorKind::kData, "config.json: '{}' is missing or no integer", key_);
    }
    return found->get<int64_t>();
  }

  const nlohmann::json& json_;
  const char* key_;
  ModelConfig& config_;
};

const Architecture& architecture_of(const nlohmann::json& json, std::span<const Architecture* const> known) {
  const auto type = json.find(kModelType);
  std::vector<std::string_view> names;
  for (const Architecture* architecture : known) {
    if (type != json.end() && *type == architecture->name) return *architecture;
    names.push_back(architecture->name);
  }
  fail(ErrorKind::kData, "config.json: {} {} is not supported; this version computes {}", kModelType,
       type == json.end() ? "(which is missing)" : shown(*type), fmt::join(names, ", "));
}

void validate_as_data(const ModelConfig& config) {
  try {
    validate(config);
  } catch (const Error& error) {
    fail(ErrorKind::kData, "config.json: {}", error.what());
  }
}

}  // namespace

nlohmann::json hugging_face_config(const ModelConfig& config, uint32_t end_of_text) {
  nlohmann::json json = {{kModelType, config.architecture->name}};
  const FieldWriter writer(config, end_of_text);
  for (const ConfigField& field : config.architecture->config) {
    if (auto value = std::visit(writer, field.value)) json[std::string(field.key)] = std::move(*value);
  }
  return json;
}

nlohmann::json hugging_face_generation_config(const ModelConfig& config, uint32_t end_of_text) {
  return {{"bos_token_id", end_of_text},
          {"eos_token_id", end_of_text},
          {"pad_token_id", end_of_text},
          {"max_length", config.context}};
}

ModelConfig config_from_hugging_face(const nlohmann::json& json, std::span<const Architecture* const> known) {
  ModelConfig config{.architecture = &architecture_of(json, known)};
  for (const ConfigField& field : config.architecture->config) {
    std::visit(FieldReader(json, std::string(field.key).c_str(), config), field.value);
  }
  limit_context(config);
  validate_as_data(config);
  return config;
}

}  // namespace pretrain
