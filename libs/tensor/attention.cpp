#include "libs/tensor/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "libs/tensor/product_kernel.h"
#include "libs/tensor/transpose.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// exp(x), and NaN for NaN: Highway's own gives 0 there, which would hide a fault.
template <class D, class V>
V ExpOrNan(D d, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, x));
}

/// Scores -> probabilities for the first `valid` columns, zero up to `columns`; returns the row's
/// log-sum-exp. Whole vectors are worked on: the row has room for one beyond `valid`.
float SoftmaxRow(float* scores, int64_t valid, int64_t columns, float scale) {
  const hn::ScalableTag<float> d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  const float first = scores[0];
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

/// scores -> P and dP -> dS, both zero from `valid` up to `columns`. The rows have room for a vector beyond
/// `valid`.
void SoftmaxBackwardRow(float* scores, float* dscores, int64_t valid, int64_t columns, float scale,
                        float log_sum_exp, float delta) {
  const hn::ScalableTag<float> d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  const auto vscale = hn::Set(d, scale);
  if (std::isinf(log_sum_exp))
    log_sum_exp = std::numeric_limits<float>::quiet_NaN();  // else P is 0 throughout
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

float DotProduct(const float* a, const float* b, int64_t count) {
  const hn::ScalableTag<float> d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  auto total = hn::Zero(d);
  int64_t i = 0;
  for (; i + N <= count; i += N) total = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), total);
  float sum = hn::GetLane(hn::SumOfLanes(d, total));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
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

/// The distance of rows of `columns` floats in the scratch: an odd number of cache lines, with room for a
/// vector beyond the last column. Rows a power of two apart would push each other out of the cache.
int64_t padded(int64_t columns) {
  constexpr int64_t kFloatsPerLine = 16;
  const int64_t lines = (columns + 2 * kFloatsPerLine - 1) / kFloatsPerLine;
  return (lines / 2 * 2 + 1) * kFloatsPerLine;
}

void copy_rows(const float* from, int64_t ld_from, int64_t rows, int64_t columns, float* to, int64_t ld_to) {
  for (int64_t r = 0; r < rows; ++r) std::copy_n(from + r * ld_from, columns, to + r * ld_to);
}

}  // namespace

/// Where one head of one sequence stands in the matrices.
struct CausalAttention::Head {
  int64_t qkv;          ///< offset of q; k and v follow at C and 2 C
  int64_t out;          ///< offset in out
  int64_t log_sum_exp;  ///< offset of position 0
};

CausalAttention::CausalAttention(Compute& compute, const Shape& shape)
    : compute_(compute),
      shape_(shape),
      stride_(padded(shape.T)),
      head_stride_(padded(shape.D)),
      scratch_(static_cast<size_t>(compute.threads()) * scratch_floats(shape.T, shape.D)) {}

CausalAttention::Head CausalAttention::head_at(size_t index) const {
  const auto b = static_cast<int64_t>(index) / shape_.H;
  const auto h = static_cast<int64_t>(index) % shape_.H;
  const int64_t C = shape_.H * shape_.D;
  return {.qkv = b * shape_.T * 3 * C + h * shape_.D,
          .out = b * shape_.T * C + h * shape_.D,
          .log_sum_exp = static_cast<int64_t>(index) * shape_.T};
}

/// What one thread works in: rows of one head, side by side instead of 3 C apart.
struct CausalAttention::Scratch {
  float* scores;             ///< [kQueryBlock, stride]
  float* dscores;            ///< [kQueryBlock, stride]
  float* keys_transposed;    ///< [D, stride]
  float* values_transposed;  ///< [D, stride]
  float* rows;               ///< [T, head stride]: values forward, keys backward
  float* queries;            ///< [kQueryBlock, head stride]
  float* douts;              ///< [kQueryBlock, head stride]
};

size_t CausalAttention::scratch_floats(int64_t T, int64_t D) {
  return static_cast<size_t>((2 * kQueryBlock + 2 * D) * padded(T) + (T + 2 * kQueryBlock) * padded(D));
}

CausalAttention::Scratch CausalAttention::slot_scratch() {
  float* at = scratch_.data() + static_cast<size_t>(Compute::slot()) * scratch_floats(shape_.T, shape_.D);
  const auto take = [&at](int64_t rows, int64_t stride) { return std::exchange(at, at + rows * stride); };
  return {.scores = take(kQueryBlock, stride_),
          .dscores = take(kQueryBlock, stride_),
          .keys_transposed = take(shape_.D, stride_),
          .values_transposed = take(shape_.D, stride_),
          .rows = take(shape_.T, head_stride_),
          .queries = take(kQueryBlock, head_stride_),
          .douts = take(kQueryBlock, head_stride_)};
}

void CausalAttention::forward(const float* qkv, float* out, float* log_sum_exp) {
  compute_.parallel_for(static_cast<size_t>(shape_.B * shape_.H), [&](size_t index) {
    forward_head(head_at(index), slot_scratch(), qkv, out, log_sum_exp);
  });
}

void CausalAttention::forward_head(const Head& head, const Scratch& scratch, const float* qkv, float* out,
                                   float* log_sum_exp) const {
  const int64_t D = shape_.D;
  const int64_t C = shape_.H * D;
  const float scale = 1.0F / std::sqrt(static_cast<float>(D));
  const auto softmax_row = HWY_DYNAMIC_DISPATCH(SoftmaxRow);
  const float* q = qkv + head.qkv;
  transpose_block(q + C, 3 * C, shape_.T, D, scratch.keys_transposed, stride_);
  copy_rows(q + 2 * C, 3 * C, shape_.T, D, scratch.rows, head_stride_);
  for (int64_t index = 0; index < query_blocks(shape_.T); ++index) {
    const auto [first, rows, keys] = query_block(shape_.T, index);
    copy_rows(q + first * 3 * C, 3 * C, rows, D, scratch.queries, head_stride_);
    multiply(rows, keys, D, {scratch.queries, head_stride_}, scratch.keys_transposed, stride_, scratch.scores,
             stride_);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t t = first + r;
      log_sum_exp[head.log_sum_exp + t] = softmax_row(scratch.scores + r * stride_, t + 1, keys, scale);
    }
    multiply(rows, D, keys, {scratch.scores, stride_}, scratch.rows, head_stride_, out + head.out + first * C,
             C);
  }
}

void CausalAttention::backward(const float* qkv, const float* out, const float* dout,
                               const float* log_sum_exp, float* dqkv) {
  compute_.parallel_for(static_cast<size_t>(shape_.B * shape_.H), [&](size_t index) {
    backward_head(head_at(index), slot_scratch(), qkv, out, dout, log_sum_exp, dqkv);
  });
}

void CausalAttention::backward_head(const Head& head, const Scratch& scratch, const float* qkv,
                                    const float* out, const float* dout, const float* log_sum_exp,
                                    float* dqkv) const {
  const int64_t D = shape_.D;
  const int64_t C = shape_.H * D;
  const float scale = 1.0F / std::sqrt(static_cast<float>(D));
  const auto softmax_backward_row = HWY_DYNAMIC_DISPATCH(SoftmaxBackwardRow);
  const auto dot = HWY_DYNAMIC_DISPATCH(DotProduct);
  const float* q = qkv + head.qkv;
  float* dq = dqkv + head.qkv;
  transpose_block(q + C, 3 * C, shape_.T, D, scratch.keys_transposed, stride_);
  transpose_block(q + 2 * C, 3 * C, shape_.T, D, scratch.values_transposed, stride_);
  copy_rows(q + C, 3 * C, shape_.T, D, scratch.rows, head_stride_);
  // The last block sees all keys: it writes dk and dv, the others add to them.
  const int64_t last = query_blocks(shape_.T) - 1;
  for (int64_t index = last; index >= 0; --index) {
    const auto [first, rows, keys] = query_block(shape_.T, index);
    copy_rows(q + first * 3 * C, 3 * C, rows, D, scratch.queries, head_stride_);
    copy_rows(dout + head.out + first * C, C, rows, D, scratch.douts, head_stride_);
    multiply(rows, keys, D, {scratch.queries, head_stride_}, scratch.keys_transposed, stride_, scratch.scores,
             stride_);
    multiply(rows, keys, D, {scratch.douts, head_stride_}, scratch.values_transposed, stride_,
             scratch.dscores, stride_);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t t = first + r;
      const float delta = dot(scratch.douts + r * head_stride_, out + head.out + t * C, D);
      softmax_backward_row(scratch.scores + r * stride_, scratch.dscores + r * stride_, t + 1, keys, scale,
                           log_sum_exp[head.log_sum_exp + t], delta);
    }
    const MatrixView probabilities(scratch.scores, stride_);
    const MatrixView dscores(scratch.dscores, stride_);
    const auto so_far = [&](const float* sum) { return Addends{index == last ? nullptr : sum, 3 * C}; };
    multiply(rows, D, keys, dscores, scratch.rows, head_stride_, dq + first * 3 * C, 3 * C);
    multiply(keys, D, rows, dscores.transposed(), scratch.queries, head_stride_, dq + C, 3 * C,
             so_far(dq + C));
    multiply(keys, D, rows, probabilities.transposed(), scratch.douts, head_stride_, dq + 2 * C, 3 * C,
             so_far(dq + 2 * C));
  }
}

}  // namespace pretrain
#endif  // HWY_ONCE
