// SPDX-License-Identifier: Apache-2.0
#pragma once
// The tensors of a model's parameters inside one flat float32 array: names, shapes, places and roles. Parts
// of a model add theirs (norm.h, linear.h, attention_block.h ...), in the order of the array.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain {

/// What a tensor is for. Weight decay and the start of a run ask this, never a name.
enum class ParameterRole {
  kTokenEmbedding,
  kPositionEmbedding,
  kMatrix,          ///< of a linear layer
  kResidualMatrix,  ///< of a linear layer whose output is added to the residual stream
  kBias,
  kNormGain,
  kNormBias,
};

/// Whether weight decay applies: to matrices and the token embedding, not to biases, norms or positions.
bool is_decayed(ParameterRole role);

/// How the matrix of a linear layer lies in memory and in files, row by row.
enum class MatrixOrder {
  kInOut,  ///< [in, out], as Conv1D of transformers has it
  kOutIn,  ///< [out, in], as nn.Linear has it
};

/// One named tensor inside the flat array.
struct ParameterInfo {
  std::string name;
  std::vector<int64_t> shape;
  size_t offset = 0;  ///< first element in the flat array, a multiple of 16
  size_t size = 0;    ///< elements
  ParameterRole role = ParameterRole::kMatrix;
  MatrixOrder order = MatrixOrder::kInOut;  ///< of the matrix of a linear layer
  bool decays = false;                      ///< is_decayed(role)
  float initial_value = 0;                  ///< constant start (norm gains 1, biases 0) ...
  float initial_std = 0;                    ///< ... or, when positive, normal with this standard deviation
};

enum class NormKind {
  kLayerNorm,  ///< gain and bias
  kRmsNorm,    ///< a gain
};

/// A norm as a description names it: its tensors are NAME.weight and, where the kind has one, NAME.bias.
struct NormSpec {
  std::string_view name;
  NormKind kind = NormKind::kLayerNorm;
};

/// A linear layer as a description names it: its tensors are NAME.weight and, with a bias, NAME.bias.
struct LinearSpec {
  std::string_view name;
  MatrixOrder order = MatrixOrder::kInOut;
  bool has_bias = true;
};

/// Elements [first, last) of a flat array.
struct ElementRange {
  size_t first = 0, last = 0;

  size_t size() const { return last - first; }
  bool operator==(const ElementRange&) const = default;
};

/// Where a norm's tensors are in the flat array.
struct NormParameters {
  NormKind kind;
  size_t gain;                 // [C]
  std::optional<size_t> bias;  // [C], of a LayerNorm
};

/// Where a linear layer's tensors are, and their sizes.
struct LinearParameters {
  int64_t in, out;
  MatrixOrder order;
  size_t weight;               // [in, out] or [out, in], as `order` says
  std::optional<size_t> bias;  // [out]
};

/// Grows tensor by tensor; single-owner while it does. Names are PREFIX followed by the name of a part.
class ParameterTable {
 public:
  /// `residual_additions`: how often something is added to the residual stream, for the start of what is
  /// added.
  explicit ParameterTable(int64_t residual_additions) : residual_additions_(residual_additions) {}

  /// Adds a tensor at the end and returns its offset.
  size_t add(std::string name, std::vector<int64_t> shape, ParameterRole role,
             MatrixOrder order = MatrixOrder::kInOut);
  NormParameters add_norm(std::string_view prefix, const NormSpec& spec, int64_t C);
  /// `role`: that of the matrix.
  LinearParameters add_linear(std::string_view prefix, const LinearSpec& spec, int64_t in, int64_t out,
                              ParameterRole role = ParameterRole::kMatrix);

  const std::vector<ParameterInfo>& tensors() const { return tensors_; }
  /// Elements of the flat array, padding between tensors included.
  size_t flat_size() const { return flat_size_; }
  /// Elements of all tensors.
  size_t parameter_count() const { return parameter_count_; }

 private:
  float initial_std(ParameterRole role) const;

  int64_t residual_additions_;
  std::vector<ParameterInfo> tensors_;
  size_t flat_size_ = 0;
  size_t parameter_count_ = 0;
};

}  // namespace pretrain
