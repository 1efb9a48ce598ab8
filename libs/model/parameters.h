// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parameters of a model as one flat float32 array with named tensors in it. Gradients and optimizer
// moments have the same layout. Names and shapes are those that the architecture's description gives, so that
// a checkpoint opens elsewhere as it is.

#include <cstdint>
#include <string_view>
#include <vector>

#include "libs/model/blocks.h"
#include "libs/model/config.h"
#include "libs/model/input_embedding.h"
#include "libs/model/output_head.h"
#include "libs/model/parameter_table.h"

namespace pretrain {

/// The blocks of a layer, in the order of the forward pass.
using LayerParameters = std::vector<BlockParameters>;

/// Where everything is. Immutable.
class ParameterLayout {
 public:
  explicit ParameterLayout(const ModelConfig& config);

  const Architecture& architecture() const { return architecture_; }
  const std::vector<ParameterInfo>& tensors() const { return table_.tensors(); }
  const EmbeddingParameters& embedding() const { return embedding_; }
  const std::vector<LayerParameters>& layers() const { return layers_; }
  const HeadParameters& head() const { return head_; }
  /// All linear layers of the blocks, in the order of the forward pass.
  std::vector<LinearParameters> linears() const;
  /// The parts whose gradients a backward pass completes one after the other: the head, the layers from the last to the
  /// first, the embeddings, to which that of a tied head belongs. Each ends where the one before it starts; together they
  /// are the flat array.
  const std::vector<ElementRange>& backward_parts() const { return backward_parts_; }

  /// Elements of the flat array, padding between tensors included.
  size_t flat_size() const { return table_.flat_size(); }
  /// Elements of all tensors: the model's number of parameters.
  size_t parameter_count() const { return table_.parameter_count(); }
  /// Nothing when no tensor has that name.
  const ParameterInfo* find(std::string_view name) const;
  /// The tensor that begins at an offset.
  /// Requires: there is one.
  const ParameterInfo& tensor_at(size_t offset) const;

 private:
  const Architecture& architecture_;
  ParameterTable table_;
  EmbeddingParameters embedding_;
  std::vector<size_t> layer_starts_;
  std::vector<LayerParameters> layers_;
  HeadParameters head_;
  std::vector<ElementRange> backward_parts_;
};

/// Elements of the matrices that take part in products, the tied head once.
int64_t matrix_parameters(const ModelConfig& config);
/// Floating-point operations of forward and backward for one token:
/// 6 * matrix parameters + causal attention, 12 * L * T/2 * C.
double flops_per_token(const ModelConfig& config);

}  // namespace pretrain
