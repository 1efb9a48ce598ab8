// SPDX-License-Identifier: Apache-2.0
#include "libs/train/model_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include "libs/base/error.h"
#include "libs/base/text.h"

namespace pretrain {
namespace {

std::vector<uint64_t> extents(const ParameterInfo& tensor) {
  return {tensor.shape.begin(), tensor.shape.end()};
}

}  // namespace

ModelWeights::ModelWeights(const Path& folder, const ParameterLayout& layout, Links links)
    : layout_(layout), names_(layout.architecture().weights), files_(WeightFiles::open(folder, links)) {
  if (!files_.contains(embedding().name)) missing_prefix_ = names_.optional_prefix;
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

/// Every tensor of the model must be in the files with its shape, and every tensor of the files must be in the
/// model: an unknown one means that they are of another model.
void ModelWeights::check_tensors() const {
  std::set<std::string, std::less<>> ours = {std::string(names_.tied_head)};
  for (const ParameterInfo& tensor : layout_.tensors()) {
    const std::string name = name_in_file(tensor);
    require(name, tensor);
    ours.insert(name);
  }
  for (const std::string& name : files_.names()) {
    if (!ours.contains(name) && !is_ignored(name))
      fail(ErrorKind::kData, "{}: tensor '{}' is not part of this model and would be ignored",
           files_.path().string(), printable(name.substr(0, 200)));
  }
}

void ModelWeights::require(std::string_view name, const ParameterInfo& tensor) const {
  try {
    files_.require_floats(name, extents(tensor));
  } catch (const Error& error) {
    fail(error.kind(), "{}; config.json describes another model, so copy it and the weights from one place",
         error.what());
  }
}

void ModelWeights::read(float* parameters) const {
  std::fill_n(parameters, layout_.flat_size(), 0.0F);  // the padding between tensors too
  for (const ParameterInfo& tensor : layout_.tensors())
    read_tensor(tensor, std::span(parameters + tensor.offset, tensor.size));
}

void ModelWeights::read_tensor(const ParameterInfo& tensor, std::span<float> values) const {
  files_.read_floats(name_in_file(tensor), values);
  if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); }))
    fail(ErrorKind::kData, "{}: {} holds a value that is not finite; this model computes nothing",
         files_.path().string(), name_in_file(tensor));
  if (tensor.offset == embedding().offset) check_head(values);
}

/// A tied model would ignore a head of its own; one is only accepted if it equals the embedding. In a model that is not
/// tied the head is a parameter like the others.
void ModelWeights::check_head(std::span<const float> embedding_values) const {
  if (!files_.contains(names_.tied_head) || layout_.find(names_.tied_head) != nullptr) return;
  files_.require_floats(names_.tied_head, extents(embedding()));
  std::vector<float> values(embedding().size);
  files_.read_floats(names_.tied_head, values);
  if (std::memcmp(values.data(), embedding_values.data(), values.size() * sizeof(float)) != 0)
    fail(
        ErrorKind::kData,
        "{}: {} is not the embedding (tie_word_embeddings is false), but config.json says that the head is tied",
        files_.path().string(), names_.tied_head);
}

}  // namespace pretrain
