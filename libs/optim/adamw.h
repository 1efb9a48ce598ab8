#pragma once
// AdamW over the flat parameter array.
// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization".

#include <cstdint>
#include <vector>

#include "libs/model/parameters.h"
#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/reduction.h"

namespace pretrain {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.99;  ///< small batches want a longer memory than the 0.95 of large-batch recipes
  double epsilon = 1e-8;
  double weight_decay = 0.1;   ///< on matrices only
  double gradient_clip = 1.0;  ///< largest global norm; 0: no clipping
};

/// Two moments a parameter, and the number of updates so far. Single-owner.
class AdamW {
 public:
  AdamW(Compute& compute, const ParameterLayout& layout, const AdamWOptions& options);

  /// Global norm of all gradients; not finite when any gradient is not.
  double gradient_norm(const float* gradients);

  /// One update, with the gradients scaled down to the clipping norm.
  /// Requires: gradient_norm is what gradient_norm() returned for them, and finite.
  void update(double learning_rate, double gradient_norm, const float* gradients, float* parameters);

  uint64_t updates() const { return updates_; }
  void set_updates(uint64_t updates) { updates_ = updates; }
  /// First and second moments, in the layout of the parameters.
  Buffer<float>& m() { return m_; }
  Buffer<float>& v() { return v_; }

 private:
  /// A piece of one tensor that one task updates.
  struct Piece {
    size_t offset, size;
    bool decays;
  };

  Compute& compute_;
  AdamWOptions options_;
  std::vector<Piece> pieces_;
  SumOfSquares sum_of_squares_;
  Buffer<float> m_, v_;
  uint64_t updates_ = 0;
};

}  // namespace pretrain
