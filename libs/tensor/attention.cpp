// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "libs/base/check.h"
#include "libs/tensor/product_kernel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/elements-inl.h"
#include "libs/tensor/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

// Causal attention, one head at a time, in blocks of queries. A block only multiplies with the keys that its
// last query may see, so about half of the scores are never computed. The forward pass keeps only the
// log-sum-exp of each row; the backward pass recomputes the scores from it. With S = scale Q K^T, P =
// softmax(S), O = P V:
//
//   dV = P^T dO,  dP = dO V^T,  delta = rowsum(dO * O),  dS = scale P * (dP - delta)
//   dQ = dS K,    dK = dS^T Q
//
// Source: Dao et al., "FlashAttention", algorithms 1 and 4, without their tiles of keys: a row of scores fits
// the cache here.

/// Scores -> probabilities of the first `valid` columns, and zeros up to `columns`; returns the row's
/// log-sum-exp. Works on whole vectors, so the row has room for one after `valid`.
float SoftmaxRow(float* scores, int64_t valid, int64_t columns, float scale) {
  const hn::ScalableTag<float> d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  const float first = scores[0];
  // The columns of the last vector beyond `valid`: exp(-inf) is 0, so they don't count.
  hn::StoreU(hn::Set(d, -std::numeric_limits<float>::infinity()), d, scores + valid);
  auto lanes = hn::Set(d, first);
  for (int64_t i = 0; i < valid; i += N) lanes = hn::Max(lanes, hn::LoadU(d, scores + i));
  const float maximum = scale * hn::GetLane(hn::MaxOfLanes(d, lanes));

  const auto vmaximum = hn::Set(d, maximum);
  const auto vscale = hn::Set(d, scale);
  auto total = hn::Zero(d);
  for (int64_t i = 0; i < valid; i += N) {
    const auto e = ExpOrNan(d, hn::MulSub(hn::LoadU(d, scores + i), vscale, vmaximum));
    hn::StoreU(e, d, scores + i);
    total = hn::Add(total, e);
  }
  const float sum = hn::GetLane(hn::SumOfLanes(d, total));
  const auto vinverse = hn::Set(d, 1.0F / sum);
  for (int64_t i = 0; i < valid; i += N)
    hn::StoreU(hn::Mul(hn::LoadU(d, scores + i), vinverse), d, scores + i);
  std::fill(scores + valid, scores + std::max(columns, valid), 0.0F);
  return maximum + std::log(sum);
}

/// scores -> P and dP -> dS, both zero from `valid` to `columns`. The rows have room for a vector after
/// `valid`.
void SoftmaxBackwardRow(float* scores, float* dscores, int64_t valid, int64_t columns, float scale,
                        float log_sum_exp, float delta) {
  const hn::ScalableTag<float> d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  const auto vscale = hn::Set(d, scale);
  if (std::isinf(log_sum_exp))
    log_sum_exp = std::numeric_limits<float>::quiet_NaN();  // otherwise P would be 0 and hide the overflow
  const auto vlse = hn::Set(d, log_sum_exp);
  const auto vdelta = hn::Set(d, delta);
  for (int64_t i = 0; i < valid; i += N) {
    const auto p = ExpOrNan(d, hn::MulSub(hn::LoadU(d, scores + i), vscale, vlse));
    hn::StoreU(p, d, scores + i);
    hn::StoreU(hn::Mul(hn::Mul(p, vscale), hn::Sub(hn::LoadU(d, dscores + i), vdelta)), d, dscores + i);
  }
  std::fill(scores + valid, scores + columns, 0.0F);
  std::fill(dscores + valid, dscores + columns, 0.0F);
}

/// T: float or Bf16.
template <class T>
float DotProductWith(const float* a, const T* b, int64_t count) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  auto total = hn::Zero(d);
  int64_t i = 0;
  for (; i + N <= count; i += N) total = hn::MulAdd(hn::LoadU(d, a + i), LoadValues(d, b + i), total);
  float sum = hn::GetLane(hn::SumOfLanes(d, total));
  for (; i < count; ++i) sum += a[i] * hn::GetLane(LoadValues(d1, b + i));
  return sum;
}

float DotProduct(const float* a, const ConstOperand& b, int64_t count) {
  return b.visit([&](const auto* elements) { return DotProductWith(a, elements, count); });
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(SoftmaxRow);
HWY_EXPORT(SoftmaxBackwardRow);
HWY_EXPORT(DotProduct);

namespace {

/// Queries [first, first + rows) of one head see keys [0, keys).
struct QueryBlock {
  int64_t first, rows, keys;
};

QueryBlock query_block(int64_t T, int64_t index) {
  const int64_t first = index * CausalAttention::kQueryBlock;
  const int64_t rows = std::min(CausalAttention::kQueryBlock, T - first);
  return {first, rows, first + rows};
}

int64_t query_blocks(int64_t T) {
  return (T + CausalAttention::kQueryBlock - 1) / CausalAttention::kQueryBlock;
}

/// The distance between rows of `columns` floats in the scratch: an odd number of cache lines, with room for
/// a vector after the last column. Rows at a distance of a power of two would evict each other from the
/// cache.
int64_t padded(int64_t columns) {
  constexpr int64_t kFloatsPerLine = 16;
  const int64_t lines = (columns + 2 * kFloatsPerLine - 1) / kFloatsPerLine;
  return (lines / 2 * 2 + 1) * kFloatsPerLine;
}

}  // namespace

/// One key-value head of one sequence and the query heads that read it. Offsets of position 0.
struct CausalAttention::Group {
  int64_t queries;      ///< of the first head in qkv; the others follow
  int64_t keys;         ///< in qkv
  int64_t values;       ///< in qkv
  int64_t out;          ///< of the first head in out
  int64_t log_sum_exp;  ///< of the first head; the others follow T apart
};

struct CausalAttention::Inputs {
  ConstOperand qkv;
  AttentionTurn turn;
  // Of the backward pass.
  ConstOperand out = {};
  const float* dout = nullptr;
  const float* log_sum_exp = nullptr;

  MatrixView rows_at(int64_t offset, int64_t width) const { return {qkv.at(offset), width}; }
};

/// The destinations of the backward pass of one group.
struct CausalAttention::Gradients {
  float* dqkv;
  float* dq_gain;  ///< [D], of this group alone; null: no gain
  float* dk_gain;
};

CausalAttention::CausalAttention(Compute& compute, const Shape& shape, Precision precision)
    : compute_(compute),
      shape_(shape),
      precision_(precision),
      stride_(padded(shape.T)),
      head_stride_(padded(shape.D)),
      scratch_(static_cast<size_t>(compute.threads()) * scratch_floats(shape.T, shape.D, shape.turned)),
      gain_parts_(gain_floats(shape)) {
  PRETRAIN_CHECK(shape.H % shape.kv_heads() == 0, "{} query heads share {} key-value heads", shape.H,
                 shape.kv_heads());
}

CausalAttention::Group CausalAttention::group_at(size_t index) const {
  const int64_t K = shape_.kv_heads();
  const auto b = static_cast<int64_t>(index) / K;
  const auto k = static_cast<int64_t>(index) % K;
  const int64_t h = k * (shape_.H / K);
  const int64_t row = b * shape_.T * shape_.width();
  const int64_t D = shape_.D;
  return {.queries = row + h * D,
          .keys = row + (shape_.H + k) * D,
          .values = row + (shape_.H + K + k) * D,
          .out = b * shape_.T * shape_.H * D + h * D,
          .log_sum_exp = (b * shape_.H + h) * shape_.T};
}

/// The working memory of one thread: packed operands of one head's products.
struct CausalAttention::Scratch {
  float* scores;             ///< [kQueryBlock, stride]
  float* dscores;            ///< [kQueryBlock, stride]
  float* keys_transposed;    ///< [D, stride]
  float* values_transposed;  ///< [D, stride]
  float* rows;               ///< [T, head stride]: values forward, keys backward
  float* queries;  ///< [kQueryBlock, head stride]: backward; outputs forward, before they are rounded
  float* douts;    ///< [kQueryBlock, head stride]
  // Only where queries and keys are turned.
  float* turned_queries;  ///< [T, head stride]
  float* turned_keys;     ///< [T, head stride]
  float* dqueries;        ///< [kQueryBlock, head stride]: gradient of turned queries
  float* dkeys;           ///< [T, head stride]
  float* left;            ///< the left operand of one product
};

size_t CausalAttention::left_words(int64_t T, int64_t D) {
  const auto words = [](int64_t M, int64_t K) {
    return std::max(packed_row_words(Precision::kFloat32, M, K), packed_row_words(Precision::kBf16, M, K));
  };
  return static_cast<size_t>(std::max({words(kQueryBlock, D), words(kQueryBlock, T), words(T, kQueryBlock)}));
}

size_t CausalAttention::scratch_floats(int64_t T, int64_t D, bool turned) {
  const int64_t turned_rows = turned ? 3 * T + kQueryBlock : 0;
  return static_cast<size_t>((2 * kQueryBlock + 2 * D) * padded(T) +
                             (T + 2 * kQueryBlock + turned_rows) * padded(D)) +
         left_words(T, D);
}

CausalAttention::Scratch CausalAttention::slot_scratch() {
  const size_t floats = scratch_floats(shape_.T, shape_.D, shape_.turned);
  float* at = scratch_.data() + static_cast<size_t>(Compute::slot()) * floats;
  const auto take = [&at](int64_t rows, int64_t stride) { return std::exchange(at, at + rows * stride); };
  const auto take_turned = [&](int64_t rows) { return shape_.turned ? take(rows, head_stride_) : nullptr; };
  return {.scores = take(kQueryBlock, stride_),
          .dscores = take(kQueryBlock, stride_),
          .keys_transposed = take(shape_.D, stride_),
          .values_transposed = take(shape_.D, stride_),
          .rows = take(shape_.T, head_stride_),
          .queries = take(kQueryBlock, head_stride_),
          .douts = take(kQueryBlock, head_stride_),
          .turned_queries = take_turned(shape_.T),
          .turned_keys = take_turned(shape_.T),
          .dqueries = take_turned(kQueryBlock),
          .dkeys = take_turned(shape_.T),
          .left = at};
}

MatrixView CausalAttention::rows_of(const HeadTurn& turn, const MatrixView& rows, float* room) const {
  if (turn.rotary == nullptr) return rows;
  turn_rows(turn, 0, shape_.T, rows.elements, rows.row_stride, room, head_stride_);
  return {room, head_stride_};
}

void CausalAttention::multiply_rows(int64_t M, int64_t N, int64_t K, const MatrixView& a, float* left,
                                    const Right& b, float* c, int64_t ldc, const ReadNext& next) const {
  pack_rows(precision_, M, K, a, left);
  multiply_packed(precision_, {M, N, K}, left, {b.words, b.ld}, {c, ldc}, {}, next);
}

void CausalAttention::multiply_scores(int64_t M, int64_t N, int64_t K, const MatrixView& a, float* left,
                                      const Right& b, float* c, int64_t ldc, const Addends& addends,
                                      const ReadNext& next) const {
  if (precision_ == Precision::kFloat32) {  // padded rows can be read in place, which saves packing (12 %)
    multiply({M, N, K}, a, {b.words, b.ld}, {c, ldc}, addends, next);
  } else {
    pack_rows(precision_, M, K, a, left);
    multiply_packed(precision_, {M, N, K}, left, {b.words, b.ld}, {c, ldc}, addends, next);
  }
}

void CausalAttention::forward(const ConstOperand& qkv, const Operand& out, float* log_sum_exp,
                              const AttentionTurn& turn) {
  PRETRAIN_CHECK(out.precision() == Precision::kFloat32 || precision_ == Precision::kBf16,
                 "attention in float32 gives float32");
  PRETRAIN_CHECK(shape_.turned || !turn, "attention without room to turn");
  compute_.parallel_for(
      groups(), [&](size_t index) { forward_group(index, {.qkv = qkv, .turn = turn}, out, log_sum_exp); });
}

/// Packs keys and values once for all query heads that share them, then computes block after block of
/// queries.
void CausalAttention::forward_group(size_t index, const Inputs& in, const Operand& out, float* log_sum_exp) {
  const Group group = group_at(index);
  const Scratch scratch = slot_scratch();
  const int64_t D = shape_.D;
  const int64_t W = shape_.width();
  const MatrixView keys = rows_of(in.turn.keys(), in.rows_at(group.keys, W), scratch.turned_keys);
  pack_columns(precision_, D, shape_.T, keys.transposed(), scratch.keys_transposed, stride_);
  pack_columns(precision_, shape_.T, D, in.rows_at(group.values, W), scratch.rows, head_stride_);
  for (int64_t h = 0; h < shape_.H / shape_.kv_heads(); ++h) {
    const MatrixView queries =
        rows_of(in.turn.queries(), in.rows_at(group.queries + h * D, W), scratch.turned_queries);
    for (int64_t block = 0; block < query_blocks(shape_.T); ++block) {
      forward_block(scratch, block, queries, out.at(group.out + h * D),
                    log_sum_exp + group.log_sum_exp + h * shape_.T);
    }
  }
}

void CausalAttention::forward_block(const Scratch& scratch, int64_t index, const MatrixView& queries,
                                    const Operand& out, float* log_sum_exp) const {
  const int64_t D = shape_.D;
  const int64_t C = shape_.H * D;
  const float scale = 1.0F / std::sqrt(static_cast<float>(D));
  const auto softmax_row = HWY_DYNAMIC_DISPATCH(SoftmaxRow);
  const auto [first, rows, seen] = query_block(shape_.T, index);
  const MatrixView next_queries = queries.at(std::min(first + rows, shape_.T - rows), 0);
  multiply_rows(rows, seen, D, queries.at(first, 0), scratch.left, {scratch.keys_transposed, stride_},
                scratch.scores, stride_,
                {.rows = next_queries.elements, .ld = queries.row_stride, .columns = D});
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t t = first + r;
    log_sum_exp[t] = softmax_row(scratch.scores + r * stride_, t + 1, seen, scale);
  }
  const auto mix_values = [&, rows = rows, seen = seen](float* sums, int64_t ld) {
    multiply_scores(rows, D, seen, {scratch.scores, stride_}, scratch.left, {scratch.rows, head_stride_},
                    sums, ld);
  };
  const Operand block_out = out.at(first * C);
  if (out.precision() == Precision::kFloat32) return mix_values(block_out.floats(), C);
  mix_values(scratch.queries, head_stride_);
  store_values(rows, D, scratch.queries, head_stride_, block_out, C);
}

void CausalAttention::backward(const ConstOperand& qkv, const ConstOperand& out, const float* dout,
                               const float* log_sum_exp, float* dqkv, const AttentionTurn& turn,
                               const AttentionGainGradients& gains) {
  PRETRAIN_CHECK(shape_.turned || !turn, "attention without room to turn");
  const Inputs in{.qkv = qkv, .turn = turn, .out = out, .dout = dout, .log_sum_exp = log_sum_exp};
  float* q_parts = gains.q == nullptr ? nullptr : gain_parts_.data();
  float* k_parts =
      gains.k == nullptr ? nullptr : gain_parts_.data() + groups() * static_cast<size_t>(shape_.D);
  std::fill_n(gain_parts_.data(), gain_parts_.size(), 0.0F);
  compute_.parallel_for(groups(), [&](size_t index) {
    const size_t part = index * static_cast<size_t>(shape_.D);
    backward_group(index, in,
                   {.dqkv = dqkv,
                    .dq_gain = q_parts == nullptr ? nullptr : q_parts + part,
                    .dk_gain = k_parts == nullptr ? nullptr : k_parts + part});
  });
  if (gains.q != nullptr) sum_gains(q_parts, gains.store, gains.q);
  if (gains.k != nullptr) sum_gains(k_parts, gains.store, gains.k);
}

/// dgain (+)= the parts of all groups, in a fixed order, so that the sum does not depend on the threads.
void CausalAttention::sum_gains(const float* parts, Store store, float* dgain) const {
  if (store == Store::kOverwrite) std::fill_n(dgain, shape_.D, 0.0F);
  for (size_t index = 0; index < groups(); ++index) {
    for (int64_t d = 0; d < shape_.D; ++d) dgain[d] += parts[static_cast<int64_t>(index) * shape_.D + d];
  }
}

/// Needs keys and values transposed, for the scores and dP, and keys as rows, for dQ. All are packed once.
void CausalAttention::backward_group(size_t index, const Inputs& in, const Gradients& gradients) {
  const Group group = group_at(index);
  const Scratch scratch = slot_scratch();
  const int64_t D = shape_.D;
  const int64_t W = shape_.width();
  const MatrixView raw_keys = in.rows_at(group.keys, W), values = in.rows_at(group.values, W);
  const MatrixView keys = rows_of(in.turn.keys(), raw_keys, scratch.turned_keys);
  pack_columns(precision_, D, shape_.T, keys.transposed(), scratch.keys_transposed, stride_);
  pack_columns(precision_, D, shape_.T, values.transposed(), scratch.values_transposed, stride_);
  pack_columns(precision_, shape_.T, D, keys, scratch.rows, head_stride_);
  for (int64_t h = 0; h < shape_.H / shape_.kv_heads(); ++h) backward_head(group, h, scratch, in, gradients);
  if (in.turn) {
    turn_rows_backward(in.turn.keys(), 0, shape_.T, raw_keys.elements, W, scratch.dkeys, head_stride_,
                       gradients.dqkv + group.keys, W, gradients.dk_gain);
  }
}

void CausalAttention::backward_head(const Group& group, int64_t h, const Scratch& scratch, const Inputs& in,
                                    const Gradients& gradients) const {
  const int64_t D = shape_.D;
  const int64_t C = shape_.H * D;
  const int64_t W = shape_.width();
  const MatrixView raw_queries = in.rows_at(group.queries + h * D, W);
  const MatrixView queries = rows_of(in.turn.queries(), raw_queries, scratch.turned_queries);
  const MatrixView douts(in.dout + group.out + h * D, C);
  float* dq = gradients.dqkv + group.queries + h * D;
  float* dk = in.turn ? scratch.dkeys : gradients.dqkv + group.keys;
  float* dv = gradients.dqkv + group.values;
  const int64_t ld_dk = in.turn ? head_stride_ : W;
  // Goes backwards, because the last block sees all keys: for the first head it writes dk and dv, and the
  // other blocks and heads add to them. So they need not be cleared first.
  const int64_t last = query_blocks(shape_.T) - 1;
  for (int64_t index = last; index >= 0; --index) {
    const auto [first, rows, seen] = query_block(shape_.T, index);
    backward_scores(scratch, index, queries, douts, in.out.at(group.out + h * D),
                    in.log_sum_exp + group.log_sum_exp + h * shape_.T);
    const MatrixView probabilities(scratch.scores, stride_);
    const MatrixView dscores(scratch.dscores, stride_);
    const bool writes = h == 0 && index == last;
    const auto so_far = [&](const float* sum, int64_t ld) { return Addends{writes ? nullptr : sum, ld}; };
    const int64_t before = std::max<int64_t>(0, first - kQueryBlock);
    const ReadNext next{.rows = douts.at(before, 0).elements, .ld = C, .columns = D};
    float* dq_block = in.turn ? scratch.dqueries : dq + first * W;
    const int64_t ld_dq = in.turn ? head_stride_ : W;
    multiply_scores(rows, D, seen, dscores, scratch.left, {scratch.rows, head_stride_}, dq_block, ld_dq, {},
                    next);
    if (in.turn) {
      turn_rows_backward(in.turn.queries(), first, rows, raw_queries.at(first, 0).elements, W, dq_block,
                         ld_dq, dq + first * W, W, gradients.dq_gain);
    }
    multiply_scores(seen, D, rows, dscores.transposed(), scratch.left, {scratch.queries, head_stride_}, dk,
                    ld_dk, so_far(dk, ld_dk));
    multiply_scores(seen, D, rows, probabilities.transposed(), scratch.left, {scratch.douts, head_stride_},
                    dv, W, so_far(dv, W));
  }
}

/// Recomputes the scores of a block as in the forward pass, and turns them into P and dS. delta is the same
/// as rowsum(P * dP), but needs only D products per row instead of T.
void CausalAttention::backward_scores(const Scratch& scratch, int64_t index, const MatrixView& queries,
                                      const MatrixView& douts, const ConstOperand& out,
                                      const float* log_sum_exp) const {
  const int64_t D = shape_.D;
  const int64_t C = shape_.H * D;
  const float scale = 1.0F / std::sqrt(static_cast<float>(D));
  const auto softmax_backward_row = HWY_DYNAMIC_DISPATCH(SoftmaxBackwardRow);
  const auto dot = HWY_DYNAMIC_DISPATCH(DotProduct);
  const auto [first, rows, seen] = query_block(shape_.T, index);
  const MatrixView block_queries = queries.at(first, 0), block_douts = douts.at(first, 0);
  pack_columns(precision_, rows, D, block_queries, scratch.queries, head_stride_);
  pack_columns(precision_, rows, D, block_douts, scratch.douts, head_stride_);
  // Prefetches rows of the previous block, which is computed next.
  const int64_t before = std::max<int64_t>(0, first - kQueryBlock);
  multiply_rows(rows, seen, D, block_queries, scratch.left, {scratch.keys_transposed, stride_},
                scratch.scores, stride_, {.rows = out.at(first * C), .ld = C, .columns = D});
  multiply_rows(rows, seen, D, block_douts, scratch.left, {scratch.values_transposed, stride_},
                scratch.dscores, stride_,
                {.rows = queries.at(before, 0).elements, .ld = queries.row_stride, .columns = D});
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t t = first + r;
    const float delta = dot(douts.at(t, 0).elements.floats(), out.at(t * C), D);
    softmax_backward_row(scratch.scores + r * stride_, scratch.dscores + r * stride_, t + 1, seen, scale,
                         log_sum_exp[t], delta);
  }
}

}  // namespace pretrain
#endif  // HWY_ONCE
