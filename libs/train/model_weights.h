// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads the weights of a model folder in the layout of Hugging Face, written by this program or by
// transformers, whose tensors may have other names and types.

#include <span>
#include <string>

#include "libs/base/file.h"
#include "libs/checkpoint/weight_files.h"
#include "libs/model/architecture.h"
#include "libs/model/parameters.h"
#include "libs/train/weight_reader.h"

namespace pretrain {

/// DIR/model.safetensors, or the files that its index lists, checked against the shapes of a model before memory
/// for it is allocated. Names may lack the optional prefix of the architecture ("transformer." for GPT2Model), elements may be
/// F32, BF16 or F16. Where the head is tied its tensor may be there when it repeats the embedding. Tensors that
/// the architecture ignores (masks that early versions of transformers saved) may be there too.
class ModelWeights : public WeightReader {
 public:
  /// Requires: `layout` outlives it.
  /// Errors: kData, naming the file, the tensor and what is wrong.
  ModelWeights(const Path& folder, const ParameterLayout& layout, Links links = Links::kFollow);

  /// Fills all of `parameters`, layout.flat_size() floats.
  /// Errors: kData, as above, and for a value that is not finite.
  void read(float* parameters) const;

  void read_tensor(const ParameterInfo& tensor, std::span<float> values) const override;

 private:
  const ParameterInfo& embedding() const;
  bool is_ignored(std::string_view name) const;
  std::string name_in_file(const ParameterInfo& tensor) const;
  void check_tensors() const;
  void require(std::string_view name, const ParameterInfo& tensor) const;
  void check_head(std::span<const float> embedding_values) const;

  const ParameterLayout& layout_;
  const WeightNames& names_;
  WeightFiles files_;
  std::string missing_prefix_;  // what the names in the files lack
};

}  // namespace pretrain
