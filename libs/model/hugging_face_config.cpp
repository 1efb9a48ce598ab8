// SPDX-License-Identifier: Apache-2.0
#include "libs/model/hugging_face_config.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fmt/ranges.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

constexpr const char* kModelType = "model_type";
constexpr const char* kRotaryType = "rope_type";
constexpr const char* kPlainRotary = "default";
constexpr const char* kRotaryBase = "rope_theta";
constexpr const char* kRotaryShare = "partial_rotary_factor";

/// A value as it is written, in ASCII, and not more than a line of it.
std::string shown(const nlohmann::json& value) {
  constexpr size_t kMost = 100;
  const std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

/// Whether rotary positions are neither scaled nor of a part of the channels: other members ask for that.
bool is_plain_rotary(const nlohmann::json& value) {
  if (!value.is_object()) return false;
  for (const auto& [name, member] : value.items()) {
    const bool is_known = name == kRotaryBase || (name == kRotaryType && member == kPlainRotary) ||
                          (name == kRotaryShare && member == 1);
    if (!is_known && !member.is_null()) return false;
  }
  return true;
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
    const auto found = json_.find(key_);
    if (found == json_.end() || found->is_null()) return;
    if (!is_plain_rotary(*found)) {
      fail(ErrorKind::kData, "config.json: {} = {} is not supported; this version computes with {} \"{}\"",
           key_, shown(*found), kRotaryType, kPlainRotary);
    }
    const auto base = found->find(kRotaryBase);
    if (base == found->end() || base->is_null()) return;
    const double inner = number(*base, kRotaryBase);
    // Programs disagree on which of two comes first.
    const auto outer = json_.find(kRotaryBase);
    if (outer != json_.end() && outer->is_number() && outer->get<double>() != inner)
      fail(ErrorKind::kData,
           "config.json: {} = {} contradicts {} = {}; leave the one that the model was trained with",
           kRotaryBase, shown(*outer), key_, shown(*found));
    config_.*f.member = inner;
  }
  void operator()(const CopyField&) const {}
  void operator()(const NoteField&) const {}
  void operator()(const EndOfTextField&) const {}

 private:
  static double number(const nlohmann::json& value, std::string_view key) {
    if (!value.is_number()) fail(ErrorKind::kData, "config.json: {} = {} is no number", key, shown(value));
    return value.get<double>();
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
  validate_as_data(config);
  return config;
}

}  // namespace pretrain
