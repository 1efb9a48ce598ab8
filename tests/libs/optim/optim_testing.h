// SPDX-License-Identifier: Apache-2.0
#pragma once
// A tiny model's parameters, and another optimizer than the program has.

#include <cmath>
#include <string>
#include <vector>

#include "libs/base/rng.h"
#include "libs/optim/optimizer_set.h"

namespace pretrain::test {

inline const ModelConfig kTinyModel{
    .layers = 1, .d_model = 8, .heads = 2, .d_ff = 12, .vocabulary = 13, .context = 5};

/// Normal values in the tensors, zero between them.
inline std::vector<float> random_values(const ParameterLayout& layout, uint64_t seed,
                                        double deviation = 1.0) {
  Rng rng(seed);
  std::vector<float> values(layout.flat_size());
  for (const ParameterInfo& tensor : layout.tensors()) {
    for (size_t i = 0; i < tensor.size; ++i)
      values[tensor.offset + i] = static_cast<float>(deviation * rng.normal());
  }
  return values;
}

inline double norm_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

/// The state tensors whose names are `prefix` and a parameter's name, in the layout of the parameters; zero
/// where there is none.
inline std::vector<float> kept(const OptimizerSet& set, const ParameterLayout& layout,
                               const std::string& prefix) {
  std::vector<float> values(layout.flat_size());
  for (const OptimizerSet::State& state : set.state()) {
    if (!state.tensor.name.starts_with(prefix)) continue;
    const ParameterInfo* tensor = layout.find(state.tensor.name.substr(prefix.size()));
    std::copy(state.values.begin(), state.values.end(),
              values.begin() + static_cast<std::ptrdiff_t>(tensor->offset));
  }
  return values;
}

}  // namespace pretrain::test
