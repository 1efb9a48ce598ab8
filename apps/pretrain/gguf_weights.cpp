// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/gguf_weights.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/pretrain/gguf_model.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/number.h"
#include "libs/base/text.h"
#include "libs/model/architecture.h"
#include "libs/model/longest_context.h"
#include "tokenizer/gguf_tokenizer.h"

namespace pretrain {
namespace {

constexpr std::string_view kEmbedding = "token_embd.weight";
constexpr std::string_view kHead = "output.weight";

template <typename... Args>
[[noreturn]] void refuse(const GgufFile& file, fmt::format_string<Args...> format, Args&&... args) {
  fail(ErrorKind::kData, "{}: {}", file.path().string(),
       printable(fmt::format(format, std::forward<Args>(args)...)));
}

const GgufTensor* find_tensor(const GgufFile& file, std::string_view name) {
  const auto& tensors = file.outline().tensors;
  const auto found = std::ranges::find(tensors, name, &GgufTensor::name);
  return found == tensors.end() ? nullptr : &*found;
}

/// Any type of whole number.
std::optional<int64_t> whole_number(const GgufValue& value) {
  return std::visit(
      [](const auto& held) -> std::optional<int64_t> {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_integral_v<Held> && !std::is_same_v<Held, bool>) {
          if (std::in_range<int64_t>(held)) return static_cast<int64_t>(held);
        }
        return std::nullopt;
      },
      value);
}

/// A float as the decimal that was meant: 1e-05 instead of 9.99999974737875e-06.
std::optional<double> real_number(const GgufValue& value) {
  if (const auto* real = std::get_if<float>(&value)) return parse_number<double>(fmt::format("{}", *real));
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return std::nullopt;
}

/// Takes the sizes over and checks the computations, field by field in the order of the table.
class KeyReader {
 public:
  KeyReader(const GgufFile& file, std::string key, ModelConfig& config)
      : file_(file), key_(std::move(key)), config_(config) {}

  void operator()(const SizeField& f) const {
    if (const auto number = integer()) {
      config_.*f.member = *number;
    } else if (f.missing != nullptr) {
      config_.*f.member = f.missing(config_);
    } else if (f.member != &ModelConfig::vocabulary) {  // that is known from the embedding
      refuse(file_, "the key {} is missing", key_);
    }
  }
  void operator()(const CopyField& f) const {
    const auto number = integer();
    if (number && *number != config_.*f.member)
      refuse(file_, "{} = {} is not supported; this version computes with {}", key_, *number,
             config_.*f.member);
  }
  void operator()(const NumberField& f) const { config_.*f.member = number().value_or(f.missing); }
  void operator()(const ComputationField& f) const {
    const auto found = number();
    const auto wanted = f.values.front().get<double>();
    if (found && static_cast<float>(*found) != static_cast<float>(wanted))
      refuse(file_, "{} = {} is not supported; this version computes with {}", key_, *found, wanted);
  }
  template <typename Other>
  void operator()(const Other&) const {
    PRETRAIN_CHECK(false, "{} has no type in GGUF", key_);
  }

 private:
  std::optional<int64_t> integer() const {
    const GgufValue* value = find_value(file_.outline().metadata, key_);
    if (value == nullptr) return std::nullopt;
    const auto number = whole_number(*value);
    if (!number) refuse(file_, "the key {} is no whole number", key_);
    return number;
  }
  std::optional<double> number() const {
    const GgufValue* value = find_value(file_.outline().metadata, key_);
    if (value == nullptr) return std::nullopt;
    const auto number = real_number(*value);
    if (!number) refuse(file_, "the key {} is no number", key_);
    return number;
  }

  const GgufFile& file_;
  std::string key_;
  ModelConfig& config_;
};

const Architecture& architecture_of(const GgufFile& file) {
  const GgufValue* value = find_value(file.outline().metadata, "general.architecture");
  const auto* name = value == nullptr ? nullptr : std::get_if<std::string>(value);
  if (name == nullptr) refuse(file, "the key general.architecture is missing");
  if (const Architecture* known = find_architecture(*name)) return *known;
  std::vector<std::string_view> names;
  for (const Architecture* architecture : architectures()) names.push_back(architecture->name);
  refuse(file, "the architecture {} is not supported; this version computes {}", *name,
         fmt::join(names, ", "));
}

/// Says that positions are not scaled.
bool is_plain_scaling(std::string_view key, const GgufValue& value) {
  const auto* kind = std::get_if<std::string>(&value);
  return key == "rope.scaling.type" && kind != nullptr && *kind == "none";
}

/// Scaled positions, experts, windows: each has keys of its own.
void refuse_unknown_keys(const GgufFile& file, const Architecture& architecture) {
  const std::string prefix = fmt::format("{}.", architecture.name);
  for (const GgufEntry& entry : file.outline().metadata) {
    if (!entry.key.starts_with(prefix)) continue;
    const std::string_view key = std::string_view(entry.key).substr(prefix.size());
    if (is_plain_scaling(key, entry.value)) continue;
    if (std::ranges::find(architecture.gguf.keys, key, &ConfigField::key) == architecture.gguf.keys.end())
      refuse(file, "the key {} is not supported, and may change what the model computes", entry.key);
  }
}

void read_keys(const GgufFile& file, ModelConfig& config) {
  for (const ConfigField& field : config.architecture->gguf.keys) {
    const KeyReader reader(file, fmt::format("{}.{}", config.architecture->name, field.key), config);
    std::visit(reader, field.value);
  }
}

}  // namespace

ModelConfig gguf_model_config(const GgufFile& file) {
  ModelConfig config{.architecture = &architecture_of(file)};
  refuse_unknown_keys(file, *config.architecture);
  const GgufTensor* embedding = find_tensor(file, kEmbedding);
  if (embedding == nullptr || embedding->shape.size() != 2) refuse(file, "it has no matrix {}", kEmbedding);
  config.vocabulary = static_cast<int64_t>(embedding->shape.front());
  if (config.architecture->choices) config.tied = find_tensor(file, kHead) == nullptr;
  read_keys(file, config);
  limit_context(config);
  try {
    validate(config);
  } catch (const Error& error) {
    refuse(file, "{}", error.what());
  }
  return config;
}

Tokenizer gguf_tokenizer(const GgufFile& file) {
  try {
    return tokenizer_of_gguf(file.outline().metadata);
  } catch (const Error& error) {
    fail(error.kind(), "{}: {}", file.path().string(), error.what());
  }
}

GgufWeights::GgufWeights(GgufFile file, const ModelConfig& config, const ParameterLayout& layout)
    : file_(std::move(file)), config_(config) {
  const auto& tensors = file_.outline().tensors;
  for (size_t i = 0; i < tensors.size(); ++i) places_.emplace(tensors[i].name, i);
  check_tensors(layout);
  if (config_.tied) check_repeated_head(layout.tensor_at(layout.embedding().tokens));
}

void GgufWeights::check_tensors(const ParameterLayout& layout) const {
  std::set<std::string> ours;
  if (config_.tied) ours.emplace(kHead);
  for (const ParameterInfo& tensor : layout.tensors()) {
    const GgufTensor wanted = gguf_tensor(config_, tensor, ElementType::kF32);
    const auto place = places_.find(wanted.name);
    if (place == places_.end()) refuse(file_, "tensor {} is missing", wanted.name);
    const GgufTensor& found = file_.outline().tensors[place->second];
    if (found.shape != wanted.shape) {
      refuse(file_, "tensor {} must have the shape [{}] (got [{}])", wanted.name,
             fmt::join(wanted.shape, ", "), fmt::join(found.shape, ", "));
    }
    ours.insert(wanted.name);
  }
  for (const auto& [name, place] : places_) {
    if (!ours.contains(name)) refuse(file_, "tensor {} is not part of this model and would be ignored", name);
  }
}

void GgufWeights::check_repeated_head(const ParameterInfo& embedding) const {
  const auto head = places_.find(kHead);
  if (head == places_.end()) return;
  const GgufTensor& found = file_.outline().tensors[head->second];
  const auto place = places_.find(kEmbedding);
  if (element_count(found) != embedding.size || read(head->second) != read(place->second))
    refuse(file_, "{} is not the embedding, and a model of the architecture {} has no head of its own", kHead,
           config_.architecture->name);
}

std::vector<float> GgufWeights::read(size_t index) const {
  std::vector<float> values(element_count(file_.outline().tensors[index]));
  file_.read(index, values);
  return values;
}

void GgufWeights::read_tensor(const ParameterInfo& tensor, std::span<float> values) const {
  const GgufTensor named = gguf_tensor(config_, tensor, ElementType::kF32);
  const std::vector<float> stored = read(places_.at(named.name));
  if (!std::ranges::all_of(stored, [](float value) { return std::isfinite(value); }))
    refuse(file_, "{} holds a value that is not finite; this model computes nothing", named.name);
  from_gguf_order(config_, tensor, stored, values);
}

}  // namespace pretrain
