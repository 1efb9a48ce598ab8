// SPDX-License-Identifier: Apache-2.0
#pragma once
// Causal multi-head self-attention, tiled over blocks of queries: the scores of one block of one head exist
// at a time, the columns above the diagonal are never computed, and the backward pass recomputes the
// probabilities from the saved log-sum-exp.
// Source: Dao et al., "FlashAttention", section 3.1 and appendix B.

#include <cstdint>

#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/product_kernel.h"
#include "libs/tensor/rotary.h"
#include "libs/tensor/store.h"

namespace pretrain {

/// What queries and keys go through on their way into the scores. Does not own what it points to. Empty:
/// nothing.
struct AttentionTurn {
  const RotaryTable* rotary = nullptr;
  const float* q_gain = nullptr;  ///< [D], of the norm of each query head; null: no norm
  const float* k_gain = nullptr;  ///< [D], of each key head
  float epsilon = 0;

  explicit operator bool() const { return rotary != nullptr; }
  HeadTurn queries() const { return {rotary, q_gain, epsilon}; }
  HeadTurn keys() const { return {rotary, k_gain, epsilon}; }
};

/// Gradients of the gains of an AttentionTurn. Null where there is no gain.
struct AttentionGainGradients {
  float* q = nullptr;  ///< [D]
  float* k = nullptr;  ///< [D]
  Store store = Store::kOverwrite;
};

/// Attention of fixed shape. B sequences of T positions, H query heads of D channels each, K heads of keys
/// and values: query heads h * H/K to (h + 1) * H/K - 1 read key-value head h. q, k and v are side by side in
/// one matrix qkv [B*T, W], W = (H + 2K) D; it and the output may be bf16 if the precision is. C = H * D.
/// Single-owner; uses all threads of its Compute.
class CausalAttention {
 public:
  struct Shape {
    int64_t B = 0, T = 0, H = 0, D = 0;
    int64_t K = 0;        ///< 0: as many as H
    bool turned = false;  ///< whether forward() and backward() are given an AttentionTurn

    int64_t kv_heads() const { return K == 0 ? H : K; }
    int64_t width() const { return (H + 2 * kv_heads()) * D; }
  };

  /// Requires: kv_heads() divides H.
  CausalAttention(Compute& compute, const Shape& shape, Precision precision);

  /// out = softmax(q k^T / sqrt(D) + causal mask) v, head by head, with q and k turned.
  /// Shapes: qkv [B*T, W]; out [B*T, C]; log_sum_exp [B, H, T].
  void forward(const ConstOperand& qkv, const Operand& out, float* log_sum_exp,
               const AttentionTurn& turn = {});

  /// dqkv = gradient of qkv, overwritten. With P the probabilities and O = P v:
  ///   dv = P^T dO;  dP = dO v^T;  dS = P * (dP - rowsum(dO * O)) / sqrt(D);  dq = dS k;  dk = dS^T q
  /// dk and dv are summed over the query heads that read them, in order.
  /// Shapes: as in forward; dout [B*T, C], dqkv [B*T, W].
  void backward(const ConstOperand& qkv, const ConstOperand& out, const float* dout, const float* log_sum_exp,
                float* dqkv, const AttentionTurn& turn = {}, const AttentionGainGradients& gains = {});

  /// Floats of scratch that each thread takes.
  static size_t scratch_floats(int64_t T, int64_t D, bool turned = false);
  /// Floats beside the scratch: gradients of gains, a part for each task.
  static size_t gain_floats(const Shape& shape) {
    return shape.turned ? static_cast<size_t>(shape.B * shape.kv_heads() * 2 * shape.D) : 0;
  }

  /// Rows of queries whose scores are computed at once.
  static constexpr int64_t kQueryBlock = 48;

 private:
  struct Group;
  struct Scratch;
  struct Inputs;
  struct Gradients;
  void forward_group(size_t index, const Inputs& in, const Operand& out, float* log_sum_exp);
  /// `out` and `log_sum_exp` of position 0 of the head.
  void forward_block(const Scratch& scratch, int64_t index, const MatrixView& queries, const Operand& out,
                     float* log_sum_exp) const;
  void backward_group(size_t index, const Inputs& in, const Gradients& gradients);
  /// The h-th query head of a group, whose keys and values are packed.
  void backward_head(const Group& group, int64_t h, const Scratch& scratch, const Inputs& in,
                     const Gradients& gradients) const;
  /// Scores and their gradient of one block: probabilities in scratch.scores, dS in scratch.dscores.
  void backward_scores(const Scratch& scratch, int64_t index, const MatrixView& queries,
                       const MatrixView& douts, const ConstOperand& out, const float* log_sum_exp) const;
  /// Rows of one head as they enter the scores: in place, or turned into `room`.
  MatrixView rows_of(const HeadTurn& turn, const MatrixView& rows, float* room) const;
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
  size_t groups() const { return static_cast<size_t>(shape_.B * shape_.kv_heads()); }
  Group group_at(size_t index) const;
  Scratch slot_scratch();
  void sum_gains(const float* parts, Store store, float* dgain) const;

  Compute& compute_;
  Shape shape_;
  Precision precision_;
  int64_t stride_;            // distance of rows of T in the scratch
  int64_t head_stride_;       // distance of rows of D there
  Buffer<float> scratch_;     // of all threads
  Buffer<float> gain_parts_;  // [2, groups, D]: of queries, then of keys
};

}  // namespace pretrain
