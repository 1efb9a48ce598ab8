// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/bench_block_kernels.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "apps/pretrain/bench_values.h"
#include "libs/model/architecture.h"
#include "libs/tensor/activation.h"
#include "libs/tensor/attention.h"
#include "libs/tensor/layer_norm.h"
#include "libs/tensor/reference/gated_ops.h"
#include "libs/tensor/rms_norm.h"
#include "libs/tensor/swiglu.h"

namespace pretrain {
namespace {

using namespace bench;
using reference::Matrix;

/// The specification of a kind of block, unless the layers have none.
template <typename Spec>
const Spec* find_spec(const ModelConfig& c) {
  for (const BlockSpec& block : c.architecture->layer) {
    if (const auto* spec = std::get_if<Spec>(&block)) return spec;
  }
  return nullptr;
}

NormKind norm_kind(const ModelConfig& c) {
  return std::visit([](const auto& spec) { return spec.norm.kind; }, c.architecture->layer.front());
}

/// Attention with all that goes with it: tables of positions and gains of heads where the architecture has them.
struct AttentionSetup {
  AttentionSetup(Compute& compute, const ModelConfig& c, int64_t M, Precision precision)
      : shape{.B = M / c.context,
              .T = c.context,
              .H = c.heads,
              .D = c.head_size(),
              .K = c.key_value_heads(),
              .turned = find_spec<RotaryAttentionSpec>(c) != nullptr},
        attention(compute, shape, precision),
        described{.B = 1, .T = shape.T, .H = shape.H, .K = shape.kv_heads(), .D = shape.D} {
    const auto* rotary = find_spec<RotaryAttentionSpec>(c);
    if (rotary == nullptr) return;
    table.emplace(c.context, c.head_size(), c.rope_theta);
    turn.rotary = &*table;
    described.theta = c.rope_theta;
    if (rotary->q_norm.empty()) return;
    turn.q_gain = q_gain->data();
    turn.k_gain = k_gain->data();
    turn.epsilon = static_cast<float>(c.norm_epsilon);
    described.epsilon = c.norm_epsilon;
    described.q_gain = as_double(q_gain->span());
    described.k_gain = as_double(k_gain->span());
  }
  AttentionSetup(const AttentionSetup&) = delete;  // the turn points into it
  AttentionSetup& operator=(const AttentionSetup&) = delete;

  /// What the angles add to the errors: they are rounded to float32, and turn by up to T.
  double rounding_of_angles() const { return turn ? static_cast<double>(shape.T) * rounding(1) / 8 : 0; }

  CausalAttention::Shape shape;
  CausalAttention attention;
  std::optional<RotaryTable> table;
  Floats q_gain = random(shape.D, 1, 4), k_gain = random(shape.D, 1, 5);
  Floats dq_gain = empty(shape.D), dk_gain = empty(shape.D);
  AttentionTurn turn;
  reference::GroupedAttention described;  // of one sequence
};

/// The largest deviation in the first sequence; the others run the same code.
double check_backward(const AttentionSetup& setup, const Matrix& dout, const Matrix& qkv,
                      std::span<const float> dqkv, double allowed) {
  return deviation(dqkv, reference::grouped_attention_backward(dout, qkv, setup.described).qkv, allowed);
}

BenchKernel attention_kernel(Compute& compute, const ModelConfig& c, int64_t M, bool forward,
                             Precision precision) {
  const auto setup = std::make_shared<AttentionSetup>(compute, c, M, precision);
  const int64_t C = c.attention_width(), W = c.qkv_width(), T = c.context;
  const Kept qkv(precision, M, W, 1), out(precision, M, C);
  const Floats dout = random(M, C, 2), log_sum_exp = empty(M, c.heads), dqkv = empty(M, W);
  setup->attention.forward(qkv.place(), out.place(), log_sum_exp->data(), setup->turn);
  const auto run = [=] {
    if (forward) {
      setup->attention.forward(qkv.place(), out.place(), log_sum_exp->data(), setup->turn);
    } else {
      const bool has_gains = setup->turn.q_gain != nullptr;
      setup->attention.backward(qkv.place(), out.place(), dout->data(), log_sum_exp->data(), dqkv->data(),
                                setup->turn,
                                {.q = has_gains ? setup->dq_gain->data() : nullptr,
                                 .k = has_gains ? setup->dk_gain->data() : nullptr});
    }
  };
  const double pairs = static_cast<double>(M) * static_cast<double>(T) / 2;
  const double gradients = floats(static_cast<double>(M * (C + W)));
  return {.operations = (forward ? 4 : 8) * pairs * static_cast<double>(C),
          .bytes = qkv.bytes() + out.bytes() + (forward ? 0 : gradients),
          .run = run,
          .check = [=] {
            run();
            const std::vector<float> all_qkv = qkv.copy(), all_out = out.copy();
            const Matrix x = as_double(std::span(all_qkv).first(area(T, W)));
            const double allowed = rounding(T + c.head_size(), precision) + setup->rounding_of_angles();
            if (forward)
              return deviation(std::span(all_out).first(area(T, C)),
                               reference::grouped_attention(x, setup->described), allowed);
            return check_backward(*setup, as_double(dout->span().first(area(T, C))), x,
                                  dqkv->span().first(area(T, W)), 4 * allowed);
          }};
}

BenchKernel layer_norm_kernel(Compute& compute, const ModelConfig& c, int64_t M, bool forward,
                              Precision precision) {
  const int64_t C = c.d_model;
  const Floats x = random(M, C, 1), dy = random(M, C, 2), gain = random(1, C, 3), bias = random(1, C, 4);
  const Floats dx = empty(M, C), mean = empty(M), rstd = empty(M), dgain = empty(C), dbias = empty(C);
  const Kept out(precision, M, C);
  layer_norm_forward(compute, {.x = x->data(), .M = M, .C = C}, {gain->data(), bias->data()}, out.place(),
                     {mean->data(), rstd->data()});
  const auto run = [=, &compute] {
    if (forward) {
      layer_norm_forward(compute, {.x = x->data(), .M = M, .C = C}, {gain->data(), bias->data()}, out.place(),
                         {mean->data(), rstd->data()});
    } else {
      layer_norm_backward(compute, {.x = x->data(), .M = M, .C = C}, gain->data(),
                          {mean->data(), rstd->data()}, dy->data(), dx->data());
      layer_norm_parameter_gradients(compute, {.x = x->data(), .M = M, .C = C}, {mean->data(), rstd->data()},
                                     dy->data(), Store::kOverwrite, {dgain->data(), dbias->data()});
    }
  };
  const double size = floats(static_cast<double>(M * C));
  return {.bytes = forward ? size + out.bytes() : 6 * size, .run = run, .check = [=] {
            std::ranges::fill(dx->span(), 0.0F);
            run();
            const Matrix xd = as_double(x->span()), gd = as_double(gain->span());
            if (forward) {
              return deviation(out.copy(), reference::layer_norm(xd, gd, as_double(bias->span()), M, C),
                               rounding(C) + rounding_of_result(precision));
            }
            const auto expected = reference::layer_norm_backward(as_double(dy->span()), xd, gd, M, C);
            return std::max({deviation(dx->span(), expected.x, rounding(C)),
                             deviation(dgain->span(), expected.gamma, 4 * rounding(M)),
                             deviation(dbias->span(), expected.beta, 4 * rounding(M))});
          }};
}

BenchKernel rms_norm_kernel(Compute& compute, const ModelConfig& c, int64_t M, bool forward,
                            Precision precision) {
  const int64_t C = c.d_model;
  const Floats x = random(M, C, 1), dy = random(M, C, 2), gain = random(1, C, 3);
  const Floats dx = empty(M, C), rstd = empty(M), dgain = empty(C);
  const Kept out(precision, M, C);
  const double epsilon = c.norm_epsilon;
  const auto rows = [=] { return RmsNormRows{.x = x->data(), .gain = gain->data(), .M = M, .C = C}; };
  const auto normalize = [=, &compute] {
    rms_norm_forward(compute, rows(), static_cast<float>(epsilon), out.place(), rstd->data());
  };
  normalize();
  const auto run = [=, &compute] {
    if (forward) return normalize();
    rms_norm_backward(compute, rows(), rstd->data(), dy->data(), dx->data());
    rms_norm_gain_gradient(compute, rows(), rstd->data(), dy->data(), Store::kOverwrite, dgain->data());
  };
  const double size = floats(static_cast<double>(M * C));
  return {.bytes = forward ? size + out.bytes() : 6 * size, .run = run, .check = [=] {
            std::ranges::fill(dx->span(), 0.0F);
            run();
            const Matrix xd = as_double(x->span()), gd = as_double(gain->span());
            if (forward)
              return deviation(out.copy(), reference::rms_norm(xd, gd, epsilon, M, C),
                               rounding(C) + rounding_of_result(precision));
            const auto expected = reference::rms_norm_backward(as_double(dy->span()), xd, gd, epsilon, M, C);
            return std::max(deviation(dx->span(), expected.x, rounding(C)),
                            deviation(dgain->span(), expected.gain, 4 * rounding(M)));
          }};
}

BenchKernel norm_kernel(Compute& compute, const ModelConfig& c, int64_t M, bool forward,
                        Precision precision) {
  if (norm_kind(c) == NormKind::kRmsNorm) return rms_norm_kernel(compute, c, M, forward, precision);
  return layer_norm_kernel(compute, c, M, forward, precision);
}

BenchKernel gelu_kernel(Compute& compute, const ModelConfig& c, int64_t M, bool forward,
                        Precision precision) {
  const Kept x(precision, M, c.d_ff, 1), out(precision, M, c.d_ff);
  const Floats dy = random(M, c.d_ff, 2), dx = empty(M, c.d_ff);
  const auto run = [=, &compute] {
    if (forward) {
      gelu_forward(compute, x.place(), dy->size(), out.place());
    } else {
      gelu_backward(compute, x.place(), dy->data(), dy->size(), dx->data());
    }
  };
  const double gradients = 2 * floats(static_cast<double>(dy->size()));
  return {.bytes = x.bytes() + (forward ? out.bytes() : gradients), .run = run, .check = [=] {
            run();
            const Matrix xd = as_double(x.copy());
            if (forward)
              return deviation(out.copy(), reference::gelu(xd), rounding(16) + rounding_of_result(precision));
            return deviation(dx->span(), reference::gelu_backward(as_double(dy->span()), xd), rounding(16));
          }};
}

/// A training step does the same for blocks of a product while they are in cache.
BenchKernel swiglu_kernel(Compute& compute, const ModelConfig& c, int64_t M, bool forward,
                          Precision precision) {
  const int64_t F = c.d_ff;
  const Kept gate(precision, M, F, 1), up(precision, M, F, 3), out(precision, M, F);
  const Floats dhidden = random(M, F, 2), dgate = empty(M, F), dup = empty(M, F);
  const auto run = [=, &compute] {
    constexpr size_t kRowsPerTask = 8;
    compute.parallel_ranges(area(M), kRowsPerTask, [&](size_t begin, size_t end) {
      const auto rows = static_cast<int64_t>(end - begin), at = static_cast<int64_t>(begin) * F;
      if (forward) {
        swiglu_forward_block(rows, F, F, gate.place().at(at), up.place().at(at), out.place().at(at));
      } else {
        swiglu_backward_block(rows, F, F, gate.place().at(at), up.place().at(at), dhidden->data() + at,
                              {.dgate = dgate->data() + at, .dup = dup->data() + at});
      }
    });
  };
  const double gradients = 3 * floats(static_cast<double>(dhidden->size()));
  return {.bytes = gate.bytes() + up.bytes() + (forward ? out.bytes() : gradients), .run = run, .check = [=] {
            run();
            const Matrix gates = as_double(gate.copy()), ups = as_double(up.copy());
            if (forward)
              return deviation(out.copy(), reference::swiglu(gates, ups),
                               rounding(16) + rounding_of_result(precision));
            const auto expected = reference::swiglu_backward(as_double(dhidden->span()), gates, ups);
            return std::max(deviation(dgate->span(), expected.gate, rounding(16)),
                            deviation(dup->span(), expected.up, rounding(16)));
          }};
}

/// The linear layers of one block.
struct LinearsOf {
  const ModelConfig& c;

  std::vector<LinearShape> operator()(const AttentionSpec&) const { return attention(); }
  std::vector<LinearShape> operator()(const RotaryAttentionSpec&) const { return attention(); }
  std::vector<LinearShape> operator()(const MlpSpec&) const { return mlp("mlp up"); }
  std::vector<LinearShape> operator()(const GatedMlpSpec&) const { return mlp("mlp gate and up, each"); }

  std::vector<LinearShape> attention() const {
    return {{"qkv", c.d_model, c.qkv_width()}, {"attention output", c.attention_width(), c.d_model}};
  }
  std::vector<LinearShape> mlp(std::string_view first) const {
    return {{first, c.d_model, c.d_ff}, {"mlp down", c.d_ff, c.d_model}};
  }
};

}  // namespace

std::vector<LinearShape> block_linears(const ModelConfig& c) {
  std::vector<LinearShape> all;
  for (const BlockSpec& block : c.architecture->layer) {
    for (const LinearShape& linear : std::visit(LinearsOf{c}, block)) all.push_back(linear);
  }
  return all;
}

std::vector<BenchCase> block_cases(Compute& compute, const ModelConfig& c, int64_t M, Precision precision) {
  std::vector<BenchCase> cases;
  const auto add = [&](std::string_view name, const auto& make) {
    for (const bool forward : {true, false}) {
      cases.push_back(
          {fmt::format("{} {}", name, forward ? "forward" : "backward"), false,
           [&compute, c, M, forward, precision, make] { return make(compute, c, M, forward, precision); }});
    }
  };
  add("attention", attention_kernel);
  add("norm", norm_kernel);
  if (find_spec<GatedMlpSpec>(c) != nullptr) {
    add("swiglu", swiglu_kernel);
  } else {
    add("gelu", gelu_kernel);
  }
  return cases;
}

}  // namespace pretrain
