#include "libs/tensor/attention.h"

#include <algorithm>
#include <cmath>

#include "libs/tensor/small_product.h"
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

/// Scores -> probabilities for the first `valid` columns, zero for the rest; returns the row's log-sum-exp.
float SoftmaxRow(float* scores, int64_t valid, int64_t columns, float scale) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  auto lanes = hn::Set(d, scores[0]);
  int64_t i = 0;
  for (; i + N <= valid; i += N) lanes = hn::Max(lanes, hn::LoadU(d, scores + i));
  float maximum = hn::GetLane(hn::MaxOfLanes(d, lanes));
  for (; i < valid; ++i) maximum = std::max(maximum, scores[i]);
  maximum *= scale;

  const auto vmaximum = hn::Set(d, maximum);
  const auto vscale = hn::Set(d, scale);
  auto total = hn::Zero(d);
  for (i = 0; i + N <= valid; i += N) {
    const auto e = hn::Exp(d, hn::MulSub(hn::LoadU(d, scores + i), vscale, vmaximum));
    hn::StoreU(e, d, scores + i);
    total = hn::Add(total, e);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, total));
  for (; i < valid; ++i) {
    scores[i] = hn::GetLane(hn::Exp(d1, hn::Set(d1, scores[i] * scale - maximum)));
    sum += scores[i];
  }
  const auto vinverse = hn::Set(d, 1.0F / sum);
  for (i = 0; i + N <= valid; i += N) hn::StoreU(hn::Mul(hn::LoadU(d, scores + i), vinverse), d, scores + i);
  for (; i < valid; ++i) scores[i] /= sum;
  std::fill(scores + valid, scores + columns, 0.0F);
  return maximum + std::log(sum);
}

/// scores -> P and dP -> dS, both zero beyond `valid`.
void SoftmaxBackwardRow(float* scores, float* dscores, int64_t valid, int64_t columns, float scale,
                        float log_sum_exp, float delta) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  const auto vscale = hn::Set(d, scale);
  const auto vlse = hn::Set(d, log_sum_exp);
  const auto vdelta = hn::Set(d, delta);
  int64_t i = 0;
  for (; i + N <= valid; i += N) {
    const auto p = hn::Exp(d, hn::MulSub(hn::LoadU(d, scores + i), vscale, vlse));
    hn::StoreU(p, d, scores + i);
    hn::StoreU(hn::Mul(hn::Mul(p, vscale), hn::Sub(hn::LoadU(d, dscores + i), vdelta)), d, dscores + i);
  }
  for (; i < valid; ++i) {
    scores[i] = hn::GetLane(hn::Exp(d1, hn::Set(d1, scores[i] * scale - log_sum_exp)));
    dscores[i] = scores[i] * scale * (dscores[i] - delta);
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

/// The products of one block of queries [first, first + rows) with the keys it may see [0, keys).
/// Scores and their gradient come from small_product(): the library needs several times longer for a narrow
/// head.
struct CausalAttention::BlockKernels {
  BlockKernels(const Shape& s, int64_t stride, int64_t first_row, int slots)
      : first(first_row),
        rows(std::min(kQueryBlock, s.T - first_row)),
        keys(first + rows),
        output({.M = rows, .N = s.D, .K = keys, .lda = stride, .ldb = 3 * s.H * s.D, .ldc = s.H * s.D},
               slots),
        dq({.M = rows, .N = s.D, .K = keys, .lda = stride, .ldb = 3 * s.H * s.D, .ldc = 3 * s.H * s.D},
           slots),
        dk({.M = keys,
            .N = s.D,
            .K = rows,
            .lda = stride,
            .ldb = 3 * s.H * s.D,
            .ldc = 3 * s.H * s.D,
            .transpose_a = true,
            .accumulate = true},
           slots),
        dv({.M = keys,
            .N = s.D,
            .K = rows,
            .lda = stride,
            .ldb = s.H * s.D,
            .ldc = 3 * s.H * s.D,
            .transpose_a = true,
            .accumulate = true},
           slots) {}

  int64_t first, rows, keys;
  TileGemm output, dq, dk, dv;
};

/// Where one head of one sequence stands in the matrices.
struct CausalAttention::Head {
  int64_t qkv;          ///< offset of q; k and v follow at C and 2 C
  int64_t out;          ///< offset in out
  int64_t log_sum_exp;  ///< offset of position 0
};

CausalAttention::CausalAttention(Compute& compute, const Shape& shape)
    : compute_(compute),
      shape_(shape),
      stride_((shape.T + kSmallProductColumns - 1) / kSmallProductColumns * kSmallProductColumns),
      scratch_(static_cast<size_t>(compute.threads()) * scratch_floats(shape.T, shape.D)) {
  std::fill_n(scratch_.data(), scratch_.size(), 0.0F);  // columns of padding stay finite
  for (int64_t first = 0; first < shape.T; first += kQueryBlock) {
    blocks_.push_back(std::make_unique<BlockKernels>(shape, stride_, first, compute.threads()));
  }
}

CausalAttention::~CausalAttention() = default;

CausalAttention::Head CausalAttention::head_at(size_t index) const {
  const auto b = static_cast<int64_t>(index) / shape_.H;
  const auto h = static_cast<int64_t>(index) % shape_.H;
  const int64_t C = shape_.H * shape_.D;
  return {.qkv = b * shape_.T * 3 * C + h * shape_.D,
          .out = b * shape_.T * C + h * shape_.D,
          .log_sum_exp = static_cast<int64_t>(index) * shape_.T};
}

/// What one thread works in.
struct CausalAttention::Scratch {
  float* scores;             ///< [kQueryBlock, stride]
  float* dscores;            ///< [kQueryBlock, stride]
  float* keys_transposed;    ///< [D, stride]
  float* values_transposed;  ///< [D, stride]
};

size_t CausalAttention::scratch_floats(int64_t T, int64_t D) {
  const int64_t stride = (T + kSmallProductColumns - 1) / kSmallProductColumns * kSmallProductColumns;
  return static_cast<size_t>((2 * kQueryBlock + 2 * D) * stride);
}

CausalAttention::Scratch CausalAttention::slot_scratch() {
  float* start = scratch_.data() + static_cast<size_t>(Compute::slot()) * scratch_floats(shape_.T, shape_.D);
  float* transposed = start + 2 * kQueryBlock * stride_;
  return {start, start + kQueryBlock * stride_, transposed, transposed + shape_.D * stride_};
}

void CausalAttention::forward(const float* qkv, float* out, float* log_sum_exp) {
  compute_.parallel_for(static_cast<size_t>(shape_.B * shape_.H), [&](size_t index) {
    forward_head(head_at(index), slot_scratch(), qkv, out, log_sum_exp);
  });
}

void CausalAttention::forward_head(const Head& head, const Scratch& scratch, const float* qkv, float* out,
                                   float* log_sum_exp) const {
  const int64_t C = shape_.H * shape_.D;
  const float scale = 1.0F / std::sqrt(static_cast<float>(shape_.D));
  const auto softmax_row = HWY_DYNAMIC_DISPATCH(SoftmaxRow);
  const int slot = Compute::slot();
  const float* q = qkv + head.qkv;
  transpose_block(q + C, 3 * C, shape_.T, shape_.D, scratch.keys_transposed, stride_);
  for (const auto& block : blocks_) {
    small_product(block->rows, block->keys, shape_.D, q + block->first * 3 * C, 3 * C,
                  scratch.keys_transposed, stride_, scratch.scores, stride_);
    for (int64_t r = 0; r < block->rows; ++r) {
      const int64_t t = block->first + r;
      log_sum_exp[head.log_sum_exp + t] =
          softmax_row(scratch.scores + r * stride_, t + 1, block->keys, scale);
    }
    block->output.run(slot, scratch.scores, q + 2 * C, out + head.out + block->first * C);
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
  const int64_t C = shape_.H * shape_.D;
  const float scale = 1.0F / std::sqrt(static_cast<float>(shape_.D));
  const auto softmax_backward_row = HWY_DYNAMIC_DISPATCH(SoftmaxBackwardRow);
  const auto dot = HWY_DYNAMIC_DISPATCH(DotProduct);
  const int slot = Compute::slot();
  const float* q = qkv + head.qkv;
  float* dq = dqkv + head.qkv;
  transpose_block(q + C, 3 * C, shape_.T, shape_.D, scratch.keys_transposed, stride_);
  transpose_block(q + 2 * C, 3 * C, shape_.T, shape_.D, scratch.values_transposed, stride_);
  for (int64_t t = 0; t < shape_.T; ++t) {  // dk and dv are sums over blocks of queries
    std::fill_n(dq + t * 3 * C + C, shape_.D, 0.0F);
    std::fill_n(dq + t * 3 * C + 2 * C, shape_.D, 0.0F);
  }
  for (const auto& block : blocks_) {
    const float* dout_block = dout + head.out + block->first * C;
    const float* q_block = q + block->first * 3 * C;
    small_product(block->rows, block->keys, shape_.D, q_block, 3 * C, scratch.keys_transposed, stride_,
                  scratch.scores, stride_);
    small_product(block->rows, block->keys, shape_.D, dout_block, C, scratch.values_transposed, stride_,
                  scratch.dscores, stride_);
    for (int64_t r = 0; r < block->rows; ++r) {
      const int64_t t = block->first + r;
      const float delta = dot(dout_block + r * C, out + head.out + t * C, shape_.D);
      softmax_backward_row(scratch.scores + r * stride_, scratch.dscores + r * stride_, t + 1, block->keys,
                           scale, log_sum_exp[head.log_sum_exp + t], delta);
    }
    block->dq.run(slot, scratch.dscores, q + C, dq + block->first * 3 * C);
    block->dk.run(slot, scratch.dscores, q_block, dq + C);
    block->dv.run(slot, scratch.scores, dout_block, dq + 2 * C);
  }
}

}  // namespace pretrain
#endif  // HWY_ONCE
