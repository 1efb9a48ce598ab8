// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/optimizer.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace pretrain {

size_t StateTensor::size() const {
  return static_cast<size_t>(
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<int64_t>()));
}

Optimizer::Optimizer(const std::vector<ParameterGroup>& groups) {
  for (const ParameterGroup& group : groups) {
    for (const ParameterInfo& tensor : group.tensors)
      updated_.push_back({tensor, group.weight_decay, group.rate_scale, group.cautious_decay});
  }
  // In this order an update walks through memory once, whatever the groups are.
  std::ranges::sort(updated_, {}, [](const Updated& u) { return u.tensor.offset; });
}

size_t Optimizer::scratch_floats(int /*threads*/) const {
  return 0;
}

}  // namespace pretrain
