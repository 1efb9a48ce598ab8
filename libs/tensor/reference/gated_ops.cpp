// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/reference/gated_ops.h"

#include <cmath>

namespace pretrain::reference {
namespace {

size_t at(int64_t row, int64_t columns, int64_t column) {
  return static_cast<size_t>(row * columns + column);
}

double inverse_rms(const Matrix& x, double epsilon, int64_t m, int64_t C) {
  double mean = 0;
  for (int64_t c = 0; c < C; ++c) mean += x[at(m, C, c)] * x[at(m, C, c)] / static_cast<double>(C);
  return 1 / std::sqrt(mean + epsilon);
}

/// RoPE by `direction` times the angle.
Matrix rotate_by(double direction, const Matrix& x, int64_t T, int64_t D, double theta) {
  Matrix y(x.size());
  const int64_t half = D / 2;
  const int64_t rows = static_cast<int64_t>(x.size()) / D;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < half; ++j) {
      const double frequency = std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(D));
      const double angle = direction * static_cast<double>(r % T) * frequency;
      const double a = x[at(r, D, j)], b = x[at(r, D, half + j)];
      y[at(r, D, j)] = a * std::cos(angle) - b * std::sin(angle);
      y[at(r, D, half + j)] = b * std::cos(angle) + a * std::sin(angle);
    }
  }
  return y;
}

/// Columns [first, first + D) of qkv.
Matrix head_of(const Matrix& qkv, int64_t width, int64_t first, int64_t D) {
  Matrix head;
  for (int64_t row = 0; row < static_cast<int64_t>(qkv.size()) / width; ++row) {
    for (int64_t d = 0; d < D; ++d) head.push_back(qkv[at(row, width, first + d)]);
  }
  return head;
}

/// matrix[:, first : first + D] += head.
void add_head(const Matrix& head, int64_t width, int64_t first, int64_t D, Matrix& matrix) {
  for (int64_t row = 0; row < static_cast<int64_t>(head.size()) / D; ++row) {
    for (int64_t d = 0; d < D; ++d) matrix[at(row, width, first + d)] += head[at(row, D, d)];
  }
}

/// Norm, if there is one, and RoPE, if there is one, of one head.
Matrix turned(const Matrix& head, const Matrix& gain, const GroupedAttention& a) {
  const Matrix normed = gain.empty() ? head : rms_norm(head, gain, a.epsilon, a.B * a.T, a.D);
  return a.theta == 0 ? normed : rotate(normed, a.T, a.D, a.theta);
}

/// Gradient of the head; adds to dgain, if there is a gain.
Matrix turned_back(const Matrix& dturned, const Matrix& head, const Matrix& gain, const GroupedAttention& a,
                   Matrix& dgain) {
  const Matrix dnormed = a.theta == 0 ? dturned : rotate_back(dturned, a.T, a.D, a.theta);
  if (gain.empty()) return dnormed;
  const RmsNormGradients d = rms_norm_backward(dnormed, head, gain, a.epsilon, a.B * a.T, a.D);
  for (size_t i = 0; i < dgain.size(); ++i) dgain[i] += d.gain[i];
  return d.x;
}

/// Each query head with keys and values of its own, turned: what causal_attention() takes.
Matrix spread(const Matrix& qkv, const GroupedAttention& a) {
  const int64_t C = a.H * a.D;
  Matrix out(static_cast<size_t>(a.B * a.T * 3 * C));
  for (int64_t h = 0; h < a.H; ++h) {
    const int64_t k = h / (a.H / a.K);
    add_head(turned(head_of(qkv, a.width(), h * a.D, a.D), a.q_gain, a), 3 * C, h * a.D, a.D, out);
    add_head(turned(head_of(qkv, a.width(), (a.H + k) * a.D, a.D), a.k_gain, a), 3 * C, C + h * a.D, a.D,
             out);
    add_head(head_of(qkv, a.width(), (a.H + a.K + k) * a.D, a.D), 3 * C, 2 * C + h * a.D, a.D, out);
  }
  return out;
}

}  // namespace

Matrix rms_norm(const Matrix& x, const Matrix& gain, double epsilon, int64_t M, int64_t C) {
  Matrix out(x.size());
  for (int64_t m = 0; m < M; ++m) {
    const double rstd = inverse_rms(x, epsilon, m, C);
    for (int64_t c = 0; c < C; ++c) out[at(m, C, c)] = x[at(m, C, c)] * rstd * gain[static_cast<size_t>(c)];
  }
  return out;
}

RmsNormGradients rms_norm_backward(const Matrix& dy, const Matrix& x, const Matrix& gain, double epsilon,
                                   int64_t M, int64_t C) {
  RmsNormGradients d{.x = Matrix(x.size()), .gain = Matrix(gain.size())};
  for (int64_t m = 0; m < M; ++m) {
    const double rstd = inverse_rms(x, epsilon, m, C);
    double mean = 0;
    for (int64_t c = 0; c < C; ++c) {
      const size_t i = at(m, C, c);
      mean += dy[i] * gain[static_cast<size_t>(c)] * x[i] * rstd / static_cast<double>(C);
      d.gain[static_cast<size_t>(c)] += dy[i] * x[i] * rstd;
    }
    for (int64_t c = 0; c < C; ++c) {
      const size_t i = at(m, C, c);
      d.x[i] = rstd * (dy[i] * gain[static_cast<size_t>(c)] - x[i] * rstd * mean);
    }
  }
  return d;
}

Matrix swiglu(const Matrix& gate, const Matrix& up) {
  Matrix out(gate.size());
  for (size_t i = 0; i < gate.size(); ++i) out[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
  return out;
}

SwigluGradient swiglu_backward(const Matrix& dhidden, const Matrix& gate, const Matrix& up) {
  SwigluGradient d{.gate = Matrix(gate.size()), .up = Matrix(gate.size())};
  for (size_t i = 0; i < gate.size(); ++i) {
    const double s = 1 / (1 + std::exp(-gate[i]));
    d.gate[i] = dhidden[i] * up[i] * s * (1 + gate[i] * (1 - s));
    d.up[i] = dhidden[i] * gate[i] * s;
  }
  return d;
}

Matrix rotate(const Matrix& x, int64_t T, int64_t D, double theta) {
  return rotate_by(1, x, T, D, theta);
}

Matrix rotate_back(const Matrix& y, int64_t T, int64_t D, double theta) {
  return rotate_by(-1, y, T, D, theta);
}

Matrix grouped_attention(const Matrix& qkv, const GroupedAttention& a) {
  return causal_attention(spread(qkv, a), a.B, a.T, a.H, a.D);
}

GroupedAttentionGradients grouped_attention_backward(const Matrix& dout, const Matrix& qkv,
                                                     const GroupedAttention& a) {
  const int64_t C = a.H * a.D;
  const Matrix dspread = causal_attention_backward(dout, spread(qkv, a), a.B, a.T, a.H, a.D);
  GroupedAttentionGradients d{
      .qkv = Matrix(qkv.size()), .q_gain = Matrix(a.q_gain.size()), .k_gain = Matrix(a.k_gain.size())};
  for (int64_t h = 0; h < a.H; ++h) {
    const int64_t q = h * a.D;
    const int64_t k = (a.H + h / (a.H / a.K)) * a.D;
    const int64_t v = k + a.K * a.D;
    const auto part = [&](int64_t first) { return head_of(dspread, 3 * C, first + h * a.D, a.D); };
    const auto head = [&](int64_t first) { return head_of(qkv, a.width(), first, a.D); };
    add_head(turned_back(part(0), head(q), a.q_gain, a, d.q_gain), a.width(), q, a.D, d.qkv);
    add_head(turned_back(part(C), head(k), a.k_gain, a, d.k_gain), a.width(), k, a.D, d.qkv);
    add_head(part(2 * C), a.width(), v, a.D, d.qkv);
  }
  return d;
}

}  // namespace pretrain::reference
