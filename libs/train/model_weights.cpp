// SPDX-License-Identifier: Apache-2.0
#include "libs/train/model_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include "libs/base/error.h"
#include "libs/base/half_float.h"
#include "libs/base/text.h"

namespace pretrain {
namespace {

constexpr const char* kWeightsName = "model.safetensors";

/// Formats that are not supported get their own message with the way to convert them.
SafetensorsFile open_weights(const Path& folder, Links links) {
  const Path path = folder / kWeightsName;
  if (file_exists(path)) return SafetensorsFile::open(path, links);
  if (file_exists(folder / "model.safetensors.index.json"))
    fail(ErrorKind::kData,
         "{}: the weights are split into several files; save the model again as one file (max_shard_size)",
         folder.string());
  if (file_exists(folder / "pytorch_model.bin"))
    fail(ErrorKind::kData,
         "{}: the weights are a pickle, pytorch_model.bin; save the model again as safetensors",
         folder.string());
  fail(ErrorKind::kData, "{} is missing; copy it from where the model came from", path.string());
}

bool is_readable(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kBf16 || dtype == DType::kF16;
}

/// Reads a tensor and widens it to float32.
void read_as_floats(const SafetensorsFile& file, const std::string& name, std::span<float> into) {
  const DType dtype = file.find(name)->dtype;
  if (dtype == DType::kF32) {
    file.read(name, std::as_writable_bytes(into));
    return;
  }
  std::vector<uint16_t> narrow(into.size());
  file.read(name, std::as_writable_bytes(std::span(narrow)));
  std::ranges::transform(narrow, into.begin(), dtype == DType::kBf16 ? from_bf16 : from_f16);
}

}  // namespace

ModelWeights::ModelWeights(const Path& folder, const ParameterLayout& layout, Links links)
    : layout_(layout),
      names_(layout.architecture().weights),
      path_(folder / kWeightsName),
      file_(open_weights(folder, links)) {
  if (file_.find(embedding().name) == nullptr) missing_prefix_ = names_.optional_prefix;
  check_tensors();
}

const ParameterInfo& ModelWeights::embedding() const {
  return layout_.tensor_at(layout_.embedding().tokens);
}

bool ModelWeights::is_ignored(std::string_view name) const {
  return std::ranges::any_of(names_.ignored_suffixes,
                             [name](std::string_view suffix) { return name.ends_with(suffix); });
}

std::string ModelWeights::name_in_file(const ParameterInfo& tensor) const {
  return tensor.name.substr(tensor.name.starts_with(missing_prefix_) ? missing_prefix_.size() : 0);
}

/// Every tensor of the model must be in the file with its shape, and every tensor of the file must be in the
/// model: an unknown one means that the file is of another model.
void ModelWeights::check_tensors() const {
  std::set<std::string, std::less<>> ours = {std::string(names_.tied_head)};
  for (const ParameterInfo& tensor : layout_.tensors()) {
    const std::string name = name_in_file(tensor);
    const TensorInfo* found = file_.find(name);
    const std::vector<uint64_t> shape(tensor.shape.begin(), tensor.shape.end());
    // require() reports a missing tensor, an unsupported type or another shape.
    file_.require(name, found != nullptr && is_readable(found->dtype) ? found->dtype : DType::kF32, shape);
    ours.insert(name);
  }
  for (const auto& [name, info] : file_.tensors()) {
    if (!ours.contains(name) && !is_ignored(name))
      fail(ErrorKind::kData, "{}: tensor '{}' is not part of this model and would be ignored", path_.string(),
           printable(name.substr(0, 200)));
  }
}

void ModelWeights::read(float* parameters) const {
  std::fill_n(parameters, layout_.flat_size(), 0.0F);  // the padding between tensors too
  for (const ParameterInfo& tensor : layout_.tensors())
    read_tensor(tensor, std::span(parameters + tensor.offset, tensor.size));
}

void ModelWeights::read_tensor(const ParameterInfo& tensor, std::span<float> values) const {
  read_as_floats(file_, name_in_file(tensor), values);
  if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); }))
    fail(ErrorKind::kData, "{}: {} holds a value that is not finite; this model computes nothing",
         path_.string(), name_in_file(tensor));
  if (tensor.offset == embedding().offset) check_head(values);
}

/// A tied model would ignore a head of its own; one is only accepted if it equals the embedding. In a model that is not
/// tied the head is a parameter like the others.
void ModelWeights::check_head(std::span<const float> embedding_values) const {
  const TensorInfo* head = file_.find(names_.tied_head);
  if (head == nullptr || layout_.find(names_.tied_head) != nullptr) return;
  const std::vector<uint64_t> shape(embedding().shape.begin(), embedding().shape.end());
  file_.require(names_.tied_head, is_readable(head->dtype) ? head->dtype : DType::kF32, shape);
  std::vector<float> values(embedding().size);
  read_as_floats(file_, std::string(names_.tied_head), values);
  if (std::memcmp(values.data(), embedding_values.data(), values.size() * sizeof(float)) != 0)
    fail(
        ErrorKind::kData,
        "{}: {} is not the embedding (tie_word_embeddings is false), but config.json says that the head is tied",
        path_.string(), names_.tied_head);
}

}  // namespace pretrain
