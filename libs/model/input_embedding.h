// SPDX-License-Identifier: Apache-2.0
#pragma once
// The beginning of a pass: token embeddings plus, where positions are learned, position embeddings.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "libs/model/parameter_table.h"
#include "libs/model/pass_context.h"

namespace pretrain {

/// Where the tables are in the flat array.
struct EmbeddingParameters {
  size_t tokens;                    // [V, C]
  std::optional<size_t> positions;  // [T, C]
};

/// The names of the tables, without ".weight". Empty positions: none are learned.
struct EmbeddingSpec {
  std::string_view tokens;
  std::string_view positions = {};

  EmbeddingParameters add_to(ParameterTable& table, const ModelConfig& config) const {
    const int64_t C = config.d_model;
    EmbeddingParameters at{};
    at.tokens =
        table.add(fmt::format("{}.weight", tokens), {config.vocabulary, C}, ParameterRole::kTokenEmbedding);
    if (!positions.empty()) {
      at.positions = table.add(fmt::format("{}.weight", positions), {config.context, C},
                               ParameterRole::kPositionEmbedding);
    }
    return at;
  }
};

/// Letters: B rows, T context, M = B*T, C d_model.
class InputEmbedding {
 public:
  InputEmbedding(PassContext& context, const EmbeddingParameters& at) : c_(context), at_(at) {}

  /// Shapes: tokens [M], x [M, C].
  /// Requires: tokens below the vocabulary's size.
  void forward(const uint32_t* tokens, float* x) const;
  /// Adds to the gradient of the token embedding, which a tied head has begun; without one it is overwritten or added
  /// to as `gradients` says, and so is that of the positions.
  /// Shapes: tokens [M], dx [M, C].
  void backward(const uint32_t* tokens, const float* dx, const GradientSink& gradients) const;

 private:
  PassContext& c_;
  EmbeddingParameters at_;
};

/// The input of the first layer for one token.
/// Shapes: parameters, the flat array; x [C].
void embed_token(const EmbeddingParameters& at, const float* parameters, uint32_t token, int64_t position,
                 std::span<float> x);

}  // namespace pretrain
