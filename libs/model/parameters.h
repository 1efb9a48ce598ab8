#pragma once
// The parameters of a model as one flat float32 array with named tensors in it. Gradients and optimizer
// moments have the same layout. Names and shapes are those of GPT2LMHeadModel, so that a checkpoint opens
// elsewhere as it is.

#include <array>
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

/// Where a norm's tensors are in the flat array.
struct NormParameters {
  size_t gain, bias;  // [C]
};

/// Where a linear layer's tensors are, and their sizes.
struct LinearParameters {
  int64_t in, out;
  size_t weight;  // [in, out]
  size_t bias;    // [out]
};

/// The attention half of a layer.
struct AttentionParameters {
  NormParameters norm;
  LinearParameters qkv;     // C to 3C
  LinearParameters output;  // C to C
};

/// The MLP half of a layer.
struct MlpParameters {
  NormParameters norm;
  LinearParameters up;    // C to F
  LinearParameters down;  // F to C
};

struct LayerParameters {
  AttentionParameters attention;
  MlpParameters mlp;

  /// All products with weights of the layer, in the order of the forward pass.
  std::array<LinearParameters, 4> linears() const {
    return {attention.qkv, attention.output, mlp.up, mlp.down};
  }
};

/// Where everything is. Immutable.
class ParameterLayout {
 public:
  explicit ParameterLayout(const ModelConfig& config);

  const std::vector<ParameterInfo>& tensors() const { return tensors_; }
  const std::vector<LayerParameters>& layers() const { return layers_; }
  size_t token_embedding() const { return token_embedding_; }        // [V, C], also the output head
  size_t position_embedding() const { return position_embedding_; }  // [T, C]
  const NormParameters& final_norm() const { return final_norm_; }

  /// Elements of the flat array, padding between tensors included.
  size_t flat_size() const { return flat_size_; }
  /// Elements of all tensors: the model's number of parameters.
  size_t parameter_count() const { return parameter_count_; }
  /// Nothing when no tensor has that name.
  const ParameterInfo* find(std::string_view name) const;

 private:
  size_t add(std::string name, std::vector<int64_t> shape, bool decays, float initial_value,
             float initial_std);
  NormParameters add_norm(const std::string& name, int64_t C);
  LinearParameters add_linear(const std::string& name, int64_t in, int64_t out, float initial_std);
  LayerParameters add_layer(const ModelConfig& config, int64_t layer);

  std::vector<ParameterInfo> tensors_;
  std::vector<LayerParameters> layers_;
  size_t token_embedding_ = 0;
  size_t position_embedding_ = 0;
  NormParameters final_norm_{};
  size_t flat_size_ = 0;
  size_t parameter_count_ = 0;
};

}  // namespace pretrain
