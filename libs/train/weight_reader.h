// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the weights of a model come from: a folder of Hugging Face (model_weights.h), or a file of another format.

#include <span>

#include "libs/model/parameters.h"

namespace pretrain {

/// Thread-safe.
class WeightReader {
 public:
  virtual ~WeightReader() = default;

  /// Fills in one tensor, tensor.size floats.
  /// Requires: a tensor of the layout that it was opened with.
  /// Errors: kData, naming the file and the tensor, also for a value that is not finite.
  virtual void read_tensor(const ParameterInfo& tensor, std::span<float> values) const = 0;
};

}  // namespace pretrain
