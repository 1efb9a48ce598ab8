// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads a model from a GGUF file, the inverse of export_gguf.h. Stateless but for the class.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "libs/gguf/reader.h"
#include "libs/model/config.h"
#include "libs/model/parameters.h"
#include "libs/train/weight_reader.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// The sizes of the model. A key of the architecture that is not known here may change what it computes, and is
/// refused.
/// Errors: kData, naming the file and the key.
ModelConfig gguf_model_config(const GgufFile& file);

/// Errors: kData, naming the file: as tokenizer_of_gguf().
Tokenizer gguf_tokenizer(const GgufFile& file);

/// The tensors of a file, as float32 and in the order of our layout.
class GgufWeights : public WeightReader {
 public:
  /// Requires: `layout` is of `config` and outlives it.
  /// Errors: kData, naming the file and the tensor that is missing, of another shape or not of this model.
  GgufWeights(GgufFile file, const ModelConfig& config, const ParameterLayout& layout);

  void read_tensor(const ParameterInfo& tensor, std::span<float> values) const override;

 private:
  void check_tensors(const ParameterLayout& layout) const;
  /// A tied model may repeat its embedding as the matrix of its head.
  void check_repeated_head(const ParameterInfo& embedding) const;
  std::vector<float> read(size_t index) const;

  GgufFile file_;
  ModelConfig config_;
  std::map<std::string, size_t, std::less<>> places_;  // of tensors in the file, by name
};

}  // namespace pretrain
