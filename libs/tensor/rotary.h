// SPDX-License-Identifier: Apache-2.0
#pragma once
// What rows of queries and keys go through before their scores: RMSNorm of each head (qwen3), then rotary
// position embedding (RoPE), in its half-split form: channel j turns with channel j + D/2. Sources: Su et
// al., "RoFormer", section 3.2; Dehghani et al., "Scaling Vision Transformers to 22 Billion Parameters",
// section 2 (norms of queries and keys).

#include <cstdint>
#include <vector>

#include "libs/tensor/operand.h"

namespace pretrain {

/// cos and sin of position * theta^(-2j/D), j < D/2. The angle is rounded to float32 as other programs do it:
/// a model is what its readers compute. Immutable.
class RotaryTable {
 public:
  /// Requires: D is even, theta > 0.
  RotaryTable(int64_t T, int64_t D, double theta);

  int64_t positions() const { return T_; }
  int64_t head_size() const { return 2 * half_; }
  /// Shapes: [D/2].
  /// Requires: t < positions().
  const float* cosines(int64_t t) const { return cosines_.data() + t * half_; }
  const float* sines(int64_t t) const { return sines_.data() + t * half_; }

 private:
  int64_t T_;
  int64_t half_;
  std::vector<float> cosines_, sines_;  // [T, D/2]
};

/// y = RoPE(rmsnorm(x)). Does not own what it points to.
struct HeadTurn {
  const RotaryTable* rotary = nullptr;
  const float* gain = nullptr;  ///< [D], of the norm; null: no norm
  float epsilon = 0;            ///< of the norm
};

/// Rows of one head, the first at position `first`, on the calling thread.
/// Shapes: x [rows, D], rows ld apart; y [rows, D], rows ld_y apart.
/// Aliasing: a float32 y may be x.
void turn_rows(const HeadTurn& turn, int64_t first, int64_t rows, const ConstOperand& x, int64_t ld, float* y,
               int64_t ld_y);

/// dx = the gradient of x; dgain, unless null, += that of the gain, rows in order.
/// Shapes: as in turn_rows(); dy, dx [rows, D]; dgain [D].
/// Aliasing: dx may be dy.
void turn_rows_backward(const HeadTurn& turn, int64_t first, int64_t rows, const ConstOperand& x, int64_t ld,
                        const float* dy, int64_t ld_dy, float* dx, int64_t ld_dx, float* dgain);

}  // namespace pretrain
