// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/initial_model.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "apps/pretrain/idle_keys.h"
#include "apps/pretrain/record_text.h"
#include "libs/base/error.h"
#include "libs/base/text.h"
#include "libs/base/units.h"
#include "libs/checkpoint/weight_files.h"

namespace pretrain {
namespace {

constexpr std::array kSizeKeys{"arch",      "layers",     "d-model",      "heads",  "kv-heads",
                               "head-size", "rope-theta", "norm-epsilon", "untied", "d-ff"};
constexpr const char* kContext = "context";
constexpr const char* kLearningRate = "learning-rate";
/// A tenth of what presets begin random weights with: at their rate, a trained model unlearns before it learns.
constexpr const char* kGentleLearningRate = "0.0001";
constexpr const char* kFiles = "files";

std::string given_value(const KeyValues& given, const char* key) {
  const auto found = given.find(key);
  return found == given.end() ? std::string() : found->second;
}

/// The keys of a configuration as texts.
class SizeTexts {
 public:
  explicit SizeTexts(const ModelConfig& model) { run_.model = model; }
  std::string operator[](const char* key) const { return joined_list(find_run_option(key)->value.get(run_)); }

 private:
  RunConfiguration run_;
};

std::string same_spelling(const char* key, const std::string& text) {
  RunConfiguration run;
  const std::vector<std::string> texts{text};
  try {
    find_run_option(key)->value.set(run, texts);
  } catch (const Error& error) {
    fail(error.kind(), "--{} {}", key, error.what());
  }
  return joined_list(find_run_option(key)->value.get(run));
}

std::string path_of(const ModelOutline& model) {
  return model.place.folder.string();
}

/// A preset besides all of its sizes decides none, as in run.ini, which has every key; those are checked one by one.
void check_preset(const KeyValues& given, const ModelOutline& model) {
  const auto preset = find_preset(given_value(given, "model"));
  if (!preset) return;  // not given, or refused by its own check
  constexpr std::array kOfAPreset{"layers", "d-model", "heads", "d-ff"};
  if (std::ranges::none_of(kOfAPreset, [&](const char* key) { return given_value(given, key).empty(); }))
    return;
  const ModelConfig& c = model.config;
  if (preset->layers == c.layers && preset->d_model == c.d_model && preset->heads == c.heads &&
      preset->d_ff == c.d_ff)
    return;
  fail(
      ErrorKind::kUsage,
      "--model {} contradicts --init-from {}, whose model has {} layers of width {}; leave out --model, the sizes "
      "come from the model",
      preset->name, path_of(model), c.layers, c.d_model);
}

void check_key(const char* key, const KeyValues& given, const SizeTexts& sizes, const ModelOutline& model) {
  const std::string text = given_value(given, key);
  if (text.empty() || same_spelling(key, text) == sizes[key]) return;
  fail(ErrorKind::kUsage, "--{} {} contradicts --init-from {}, whose model has {}; leave out --{}", key, text,
       path_of(model), sizes[key].empty() ? "none" : sizes[key], key);
}

void check_context(const KeyValues& given, const ModelOutline& model) {
  const std::string text = given_value(given, kContext);
  if (text.empty()) return;
  RunConfiguration run;
  const std::vector<std::string> texts{same_spelling(kContext, text)};
  find_run_option(kContext)->value.set(run, texts);
  if (run.model.context <= model.config.context) return;
  fail(ErrorKind::kUsage,
       "--context {} is longer than that of the model in --init-from {}, {}; use at most this", text,
       path_of(model), model.config.context);
}

std::vector<Path> weight_files(const ModelPlace& place) {
  if (!folder_exists(place.folder)) return {place.folder};
  std::vector<Path> files{place.folder / "config.json"};
  if (file_exists(place.folder / kWeightsName)) {
    files.push_back(place.folder / kWeightsName);
    return files;
  }
  std::set<std::string> names;
  for (const auto& [tensor, name] : parse_weight_index(read_file(place.folder / kWeightIndexName)))
    names.insert(name);
  for (const std::string& name : names) files.push_back(place.folder / name);
  return files;
}

/// The given keys with the sizes of the model.
KeyValues with_sizes(const KeyValues& given, const ModelOutline& model) {
  check_preset(given, model);
  const SizeTexts sizes(model.config);
  KeyValues all = given;
  for (const char* key : kSizeKeys) {
    check_key(key, given, sizes, model);
    all[key] = sizes[key];
  }
  check_context(given, model);
  if (given_value(given, kContext).empty()) all[kContext] = sizes[kContext];
  if (given_value(given, kLearningRate).empty()) all[kLearningRate] = kGentleLearningRate;
  return all;
}

}  // namespace

std::optional<ModelOutline> open_initial_model(const KeyValues& given) {
  const std::string path = given_value(given, "init-from");
  if (path.empty()) return std::nullopt;
  return open_model_outline(path, given_value(given, "tokenizer"));
}

KeyValues resolve_new(const KeyValues& given, const ModelOutline* model) {
  KeyValues values = resolve(model == nullptr ? given : with_sizes(given, *model));
  refuse_idle_keys(given, values);
  return values;
}

void read_initial_weights(const ModelOutline& model, const ParameterLayout& layout, float* parameters) {
  std::fill_n(parameters, layout.flat_size(), 0.0F);  // the padding between tensors too
  for (const ParameterInfo& tensor : model.layout->tensors()) {
    const ParameterInfo& ours = *layout.find(tensor.name);
    if (ours.size == tensor.size) {
      model.weights->read_tensor(tensor, std::span(parameters + ours.offset, ours.size));
    } else {  // learned positions, of which a shorter context has the first
      std::vector<float> values(tensor.size);
      model.weights->read_tensor(tensor, values);
      std::copy_n(values.begin(), ours.size, parameters + ours.offset);
    }
  }
}

nlohmann::json record_of(const ModelOutline& model) {
  nlohmann::json files = nlohmann::json::array();
  for (const Path& path : weight_files(model.place)) {
    const ManifestFile file = hash_file(path);
    files.push_back({{"name", file.name}, {"size_bytes", file.size_bytes}, {"hash", file.hash}});
  }
  nlohmann::json record = {{"path", std::filesystem::canonical(model.place.folder).native()},
                           {"weights_only", true},
                           {"stream", "anew"},
                           {kFiles, std::move(files)}};
  if (model.place.checkpoint) record["step"] = model.place.checkpoint->step;
  return record;
}

std::string describe_initial_model(const nlohmann::json& parent) {
  const auto files = parent.is_object() ? parent.find(kFiles) : parent.end();
  if (!parent.is_object() || files == parent.end()) return "";
  std::string text =
      fmt::format("started with the weights of {}{}\n", shown_value(parent, "path"),
                  parent.contains("step") ? fmt::format(", step {}", shown_value(parent, "step")) : "");
  if (!files->is_array()) return text;
  for (const nlohmann::json& file : *files)
    text += fmt::format("  {}: {} bytes, {}\n", shown_value(file, "name"), shown_value(file, "size_bytes"),
                        shown_value(file, "hash"));
  return text;
}

}  // namespace pretrain
