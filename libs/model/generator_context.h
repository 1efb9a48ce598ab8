// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the blocks of a model share while several texts are generated together: weights, the rows at work with their
// residual stream, and scratch. A row is one token of one sequence. Rows of several sequences pass the layers together,
// because reading the weights takes longer than multiplying by them, and so do the rows of a prompt.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "libs/model/config.h"
#include "libs/model/parameter_table.h"
#include "libs/model/rotary_positions.h"
#include "libs/tensor/attention.h"
#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/gemm.h"

namespace pretrain {

/// What a generator has room for, and how it multiplies.
struct GeneratorShape {
  int64_t sequences = 1;
  int64_t context = 0;                        ///< positions of each sequence; 0: the model's
  Precision precision = Precision::kFloat32;  ///< of the operands of products
};

/// The matrices of a model in the flat array.
struct GeneratorWeights {
  const float* parameters;
  std::vector<LinearParameters> linears;  ///< of all layers
  size_t head;                            ///< [V, C]
};

/// Copies of them, packed for products. Immutable.
class PackedWeights {
 public:
  PackedWeights(Compute& compute, const GeneratorWeights& weights, const ModelConfig& config,
                Precision precision);

  /// The matrix whose place in the flat array this is, as x W needs it.
  /// Requires: one of the weights.
  const PackedMatrix& at(size_t weight) const { return matrices_.at(weight); }

 private:
  std::map<size_t, PackedMatrix> matrices_;
};

/// Scratch that grows to the rows at work. Single-owner.
class RowBuffer {
 public:
  /// Room for floats; the content is undefined after it has grown.
  float* take(int64_t floats) {
    if (static_cast<size_t>(floats) > memory_.size()) memory_ = Buffer<float>(static_cast<size_t>(floats));
    return memory_.data();
  }

 private:
  Buffer<float> memory_;
};

/// The place of a row: a token's position in its sequence.
struct RowPlace {
  int64_t sequence;
  int64_t position;
};

/// Single-owner. The parameters must outlive it and not change while it is used.
/// Letters: M rows at work, C d_model, V vocabulary.
class GeneratorContext {
 public:
  GeneratorContext(Compute& threads, const ModelConfig& sizes, const GeneratorWeights& weights,
                   const GeneratorShape& generator_shape);

  const float* parameter(size_t offset) const { return parameters + offset; }
  int64_t row_count() const { return static_cast<int64_t>(rows.size()); }

  /// Makes these the rows at work: M from now on. Rows of one sequence follow each other with successive positions.
  /// `is_prompt`: they are all of one sequence, from its first position on, and attention works on them in one pass.
  void begin(std::span<const RowPlace> places, bool is_prompt);

  /// normed = the norm of rows [first_row, M) of the residual stream.
  void norm(const NormParameters& at, int64_t first_row = 0);
  /// out = x W + b.
  /// Shapes: x [M, in], out [M, out].
  void linear(const LinearParameters& at, const float* x, float* out);
  /// residual += branch.
  /// Shapes: branch [M, C].
  void add_to_residual(const float* branch);
  /// out = x E^T for the head's matrix E.
  /// Shapes: x [count, C], out [count, V].
  void head(const float* x, int64_t count, float* out);

  Compute& compute;
  const ModelConfig config;
  const GeneratorShape shape;  // with its context
  const float* const parameters;
  const std::optional<RotaryTable> rotary;
  std::span<const RowPlace> rows;                   // M, at work
  std::optional<CausalAttention> prompt_attention;  // of the rows of a prompt; else rows read the cache
  float* residual = nullptr;                        // [M, C]
  float* normed = nullptr;                          // [M, C]
  RowBuffer first, second, third;                   // for the block at work

 private:
  PackedWeights packed_;
  size_t head_;
  RowBuffer residual_, normed_, statistics_;
};

}  // namespace pretrain
