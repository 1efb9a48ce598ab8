#pragma once
// The parameters of a model as one flat float32 array with named tensors in it. Gradients and optimizer
// moments have the same layout. Names and shapes are those of GPT2LMHeadModel, so that a checkpoint opens
// elsewhere as it is.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/model/config.h"

namespace pretrain {

/// One named tensor inside the flat array.
struct ParameterInfo {
  std::string name;
  std::vector<int64_t> shape;
  size_t offset = 0;    ///< first element in the flat array, a multiple of 16
  size_t size = 0;      ///< elements
  bool decays = false;  ///< weight decay applies: matrices only, not biases, norms or embeddings of positions
  float initial_value = 0;  ///< constant start (norm gains 1, biases 0) ...
  float initial_std = 0;    ///< ... or, when positive, normal with this standard deviation
};

/// Offsets of one layer's tensors. Linear weights are stored [in, out].
struct BlockOffsets {
  size_t norm1_gain, norm1_bias;            // [C]
  size_t qkv_weight, qkv_bias;              // [C, 3C], [3C]
  size_t attention_weight, attention_bias;  // [C, C], [C]
  size_t norm2_gain, norm2_bias;            // [C]
  size_t up_weight, up_bias;                // [C, F], [F]
  size_t down_weight, down_bias;            // [F, C], [C]
};

/// Where everything is. Immutable.
class ParameterLayout {
 public:
  explicit ParameterLayout(const ModelConfig& config);

  const std::vector<ParameterInfo>& tensors() const { return tensors_; }
  const std::vector<BlockOffsets>& blocks() const { return blocks_; }
  size_t token_embedding() const { return token_embedding_; }        // [V, C], also the output head
  size_t position_embedding() const { return position_embedding_; }  // [T, C]
  size_t final_norm_gain() const { return final_norm_gain_; }        // [C]
  size_t final_norm_bias() const { return final_norm_bias_; }        // [C]

  /// Elements of the flat array, padding between tensors included.
  size_t flat_size() const { return flat_size_; }
  /// Elements of all tensors: the model's number of parameters.
  size_t parameter_count() const { return parameter_count_; }
  /// Nothing when no tensor has that name.
  const ParameterInfo* find(std::string_view name) const;

 private:
  size_t add(std::string name, std::vector<int64_t> shape, bool decays, float initial_value,
             float initial_std);
  BlockOffsets add_block(const ModelConfig& config, int64_t layer);

  std::vector<ParameterInfo> tensors_;
  std::vector<BlockOffsets> blocks_;
  size_t token_embedding_ = 0;
  size_t position_embedding_ = 0;
  size_t final_norm_gain_ = 0;
  size_t final_norm_bias_ = 0;
  size_t flat_size_ = 0;
  size_t parameter_count_ = 0;
};

}  // namespace pretrain
