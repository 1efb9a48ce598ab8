#pragma once
// Causal multi-head self-attention, tiled over blocks of queries: the scores of one block of one head exist
// at a time, the columns above the diagonal are never computed, and the backward pass recomputes the
// probabilities from the saved log-sum-exp. Source: Dao et al., "FlashAttention", section 3.1 and appendix B.

#include <cstdint>

#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/product_kernel.h"

namespace pretrain {

/// Attention of fixed shape. B sequences of T positions, H heads of D channels each, C = H * D.
/// q, k and v stand side by side in one matrix qkv [B*T, 3*C]; it and the output may be bf16 if the precision
/// is. Single-owner; uses all threads of its Compute.
class CausalAttention {
 public:
  struct Shape {
    int64_t B = 0, T = 0, H = 0, D = 0;
  };

  CausalAttention(Compute& compute, const Shape& shape, Precision precision);

  /// out = softmax(q k^T / sqrt(D) + causal mask) v, head by head.
  /// Shapes: qkv [B*T, 3*C]; out [B*T, C]; log_sum_exp [B, H, T].
  void forward(const ConstOperand& qkv, const Operand& out, float* log_sum_exp);

  /// dqkv = gradient of qkv, overwritten. With P the probabilities and O = P v:
  ///   dv = P^T dO;  dP = dO v^T;  dS = P * (dP - rowsum(dO * O)) / sqrt(D);  dq = dS k;  dk = dS^T q
  /// Shapes: as in forward; dout [B*T, C], dqkv [B*T, 3*C].
  void backward(const ConstOperand& qkv, const ConstOperand& out, const float* dout, const float* log_sum_exp,
                float* dqkv);

  /// Floats of scratch that each thread takes.
  static size_t scratch_floats(int64_t T, int64_t D);

  /// Rows of queries whose scores are computed at once.
  static constexpr int64_t kQueryBlock = 48;

 private:
  struct Head;
  struct Scratch;
  void forward_head(const Head& head, const Scratch& scratch, const ConstOperand& qkv, const Operand& out,
                    float* log_sum_exp) const;
  /// `out` and `log_sum_exp` of position 0 of the head.
  void forward_block(const Scratch& scratch, int64_t index, const MatrixView& queries, const Operand& out,
                     float* log_sum_exp) const;
  void backward_head(const Head& head, const Scratch& scratch, const ConstOperand& qkv,
                     const ConstOperand& out, const float* dout, const float* log_sum_exp, float* dqkv) const;
  /// A right operand from pack_columns().
  struct Right {
    const float* words;
    int64_t ld;
  };
  /// C = A B for rows of one head; `left` is where A is packed.
  void multiply_rows(int64_t M, int64_t N, int64_t K, const MatrixView& a, float* left, const Right& b,
                     float* c, int64_t ldc, const ReadNext& next) const;
  /// C = A B and the addends for scores in the scratch.
  void multiply_scores(int64_t M, int64_t N, int64_t K, const MatrixView& a, float* left, const Right& b,
                       float* c, int64_t ldc, const Addends& addends = {}, const ReadNext& next = {}) const;
  /// Room for the left operand of each product, in the precision that takes more.
  static size_t left_words(int64_t T, int64_t D);
  Head head_at(size_t index) const;
  Scratch slot_scratch();

  Compute& compute_;
  Shape shape_;
  Precision precision_;
  int64_t stride_;         // distance of rows of T in the scratch
  int64_t head_stride_;    // distance of rows of D there
  Buffer<float> scratch_;  // of all threads
};

}  // namespace pretrain
