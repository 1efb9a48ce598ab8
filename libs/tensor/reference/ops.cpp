// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/reference/ops.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace pretrain::reference {
namespace {

constexpr double kNormEpsilon = 1e-5;  // written here again: a constant of the kernel's would hide its fault

size_t at(int64_t row, int64_t columns, int64_t column) {
  return static_cast<size_t>(row * columns + column);
}

}  // namespace

/// To the nearest number with eight significant bits, ties to even, as the processor's instruction does.
Matrix round_to_bf16(Matrix values) {
  constexpr int kSignificantBits = 8;
  for (double& value : values) {
    int exponent = 0;
    const double fraction = std::frexp(value, &exponent);
    value = std::ldexp(std::nearbyint(std::ldexp(fraction, kSignificantBits)), exponent - kSignificantBits);
  }
  return values;
}

Matrix as_operand(Precision precision, Matrix values) {
  return precision == Precision::kBf16 ? round_to_bf16(std::move(values)) : values;
}

Matrix linear(const Matrix& A, const Matrix& B, const Matrix& bias, int64_t M, int64_t N, int64_t K) {
  Matrix C(static_cast<size_t>(M * N));
  for (int64_t m = 0; m < M; ++m) {
    for (int64_t n = 0; n < N; ++n) C[at(m, N, n)] = bias.empty() ? 0 : bias[static_cast<size_t>(n)];
    for (int64_t k = 0; k < K; ++k) {
      for (int64_t n = 0; n < N; ++n) C[at(m, N, n)] += A[at(m, K, k)] * B[at(k, N, n)];
    }
  }
  return C;
}

Matrix linear_transposed(const Matrix& A, const Matrix& B, int64_t M, int64_t N, int64_t K) {
  Matrix C(static_cast<size_t>(M * N));
  for (int64_t m = 0; m < M; ++m) {
    for (int64_t n = 0; n < N; ++n) {
      for (int64_t k = 0; k < K; ++k) C[at(m, N, n)] += A[at(m, K, k)] * B[at(n, K, k)];
    }
  }
  return C;
}

/// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta; the variance divides by C, not by C - 1.
Matrix layer_norm(const Matrix& x, const Matrix& gamma, const Matrix& beta, int64_t M, int64_t C) {
  Matrix out(x.size());
  for (int64_t m = 0; m < M; ++m) {
    double mean = 0;
    double variance = 0;
    for (int64_t c = 0; c < C; ++c) mean += x[at(m, C, c)] / static_cast<double>(C);
    for (int64_t c = 0; c < C; ++c) variance += std::pow(x[at(m, C, c)] - mean, 2) / static_cast<double>(C);
    const double rstd = 1 / std::sqrt(variance + kNormEpsilon);
    for (int64_t c = 0; c < C; ++c) {
      const auto i = static_cast<size_t>(c);
      out[at(m, C, c)] = (x[at(m, C, c)] - mean) * rstd * gamma[i] + beta[i];
    }
  }
  return out;
}

/// The approximation by tanh, as GPT-2 has it: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
Matrix gelu(const Matrix& x) {
  Matrix out(x.size());
  const double factor = std::sqrt(2 / std::numbers::pi);
  for (size_t i = 0; i < x.size(); ++i) {
    out[i] = 0.5 * x[i] * (1 + std::tanh(factor * (x[i] + 0.044715 * x[i] * x[i] * x[i])));
  }
  return out;
}

/// softmax(q k^T / sqrt(D)) v over the positions up to each one, head by head. Without subtracting the maximum: tests
/// have small scores, and the kernel that is checked does subtract it.
Matrix causal_attention(const Matrix& qkv, int64_t B, int64_t T, int64_t H, int64_t D) {
  const int64_t C = H * D;
  Matrix out(static_cast<size_t>(B * T * C));
  Matrix p(static_cast<size_t>(T));
  const auto value = [&](int64_t row, int64_t part, int64_t h, int64_t d) {
    return qkv[at(row, 3 * C, part * C + h * D + d)];
  };
  for (int64_t row = 0; row < B * T; ++row) {
    const int64_t first = row / T * T;
    for (int64_t h = 0; h < H; ++h) {
      double sum = 0;
      for (int64_t j = first; j <= row; ++j) {
        double score = 0;
        for (int64_t d = 0; d < D; ++d) score += value(row, 0, h, d) * value(j, 1, h, d);
        sum += p[static_cast<size_t>(j - first)] = std::exp(score / std::sqrt(static_cast<double>(D)));
      }
      for (int64_t j = first; j <= row; ++j) {
        for (int64_t d = 0; d < D; ++d) {
          out[at(row, C, h * D + d)] += p[static_cast<size_t>(j - first)] / sum * value(j, 2, h, d);
        }
      }
    }
  }
  return out;
}

/// log(sum exp(logits)) - logits[target]; the maximum is taken out so that no exponential overflows. 0 where masked.
Matrix cross_entropy(const Matrix& logits, std::span<const int32_t> targets, int64_t V) {
  Matrix losses(targets.size());
  for (size_t m = 0; m < targets.size(); ++m) {
    if (targets[m] < 0) continue;
    const auto row = logits.begin() + static_cast<int64_t>(m) * V;
    const double maximum = *std::max_element(row, row + V);
    double sum = 0;
    for (int64_t v = 0; v < V; ++v) sum += std::exp(row[v] - maximum);
    losses[m] = std::log(sum) + maximum - row[targets[m]];
  }
  return losses;
}

LayerNormGradients layer_norm_backward(const Matrix& dy, const Matrix& x, const Matrix& gamma, int64_t M,
                                       int64_t C) {
  LayerNormGradients d{.x = Matrix(x.size()), .gamma = Matrix(gamma.size()), .beta = Matrix(gamma.size())};
  const auto width = static_cast<size_t>(C);
  const Matrix xhat = layer_norm(x, Matrix(width, 1.0), Matrix(width, 0.0), M, C);
  for (int64_t m = 0; m < M; ++m) {
    double mean = 0, variance = 0, mean_g = 0, mean_gx = 0;
    for (int64_t c = 0; c < C; ++c) {
      const size_t i = at(m, C, c);
      const double g = dy[i] * gamma[static_cast<size_t>(c)];
      mean += x[i] / static_cast<double>(C);
      mean_g += g / static_cast<double>(C);
      mean_gx += g * xhat[i] / static_cast<double>(C);
      d.gamma[static_cast<size_t>(c)] += dy[i] * xhat[i];
      d.beta[static_cast<size_t>(c)] += dy[i];
    }
    for (int64_t c = 0; c < C; ++c) variance += std::pow(x[at(m, C, c)] - mean, 2) / static_cast<double>(C);
    const double rstd = 1 / std::sqrt(variance + kNormEpsilon);
    for (int64_t c = 0; c < C; ++c) {
      const size_t i = at(m, C, c);
      d.x[i] = rstd * (dy[i] * gamma[static_cast<size_t>(c)] - mean_g - xhat[i] * mean_gx);
    }
  }
  return d;
}

/// The derivative of gelu(): 0.5 (1 + t) + 0.5 x (1 - t^2) du/dx, with t = tanh(u).
Matrix gelu_backward(const Matrix& dy, const Matrix& x) {
  Matrix dx(x.size());
  const double factor = std::sqrt(2 / std::numbers::pi);
  for (size_t i = 0; i < x.size(); ++i) {
    const double t = std::tanh(factor * (x[i] + 0.044715 * x[i] * x[i] * x[i]));
    const double slope = factor * (1 + 3 * 0.044715 * x[i] * x[i]);
    dx[i] = dy[i] * (0.5 * (1 + t) + 0.5 * x[i] * (1 - t * t) * slope);
  }
  return dx;
}

// With s the scores, p their softmax and dp = dout v^T:  ds = p * (dp - sum_k p_k dp_k), position by
// position.
Matrix causal_attention_backward(const Matrix& dout, const Matrix& qkv, int64_t B, int64_t T, int64_t H,
                                 int64_t D) {
  const int64_t C = H * D;
  const double scale = 1 / std::sqrt(static_cast<double>(D));
  Matrix dqkv(qkv.size());
  const auto place = [&](int64_t row, int64_t part, int64_t h, int64_t d) {
    return at(row, 3 * C, part * C + h * D + d);
  };
  for (int64_t index = 0; index < B * T * H; ++index) {
    const int64_t row = index / H;
    const int64_t h = index % H;
    const int64_t first = row / T * T;
    const auto keys = static_cast<size_t>(row - first + 1);
    Matrix p(keys), dp(keys);
    double sum = 0, mean_dp = 0;
    for (size_t j = 0; j < keys; ++j) {
      const int64_t key = first + static_cast<int64_t>(j);
      double score = 0;
      for (int64_t d = 0; d < D; ++d) {
        score += qkv[place(row, 0, h, d)] * qkv[place(key, 1, h, d)];
        dp[j] += dout[at(row, C, h * D + d)] * qkv[place(key, 2, h, d)];
      }
      sum += p[j] = std::exp(score * scale);
    }
    for (size_t j = 0; j < keys; ++j) mean_dp += (p[j] /= sum) * dp[j];
    for (size_t j = 0; j < keys; ++j) {
      const int64_t key = first + static_cast<int64_t>(j);
      const double ds = p[j] * (dp[j] - mean_dp) * scale;
      for (int64_t d = 0; d < D; ++d) {
        dqkv[place(row, 0, h, d)] += ds * qkv[place(key, 1, h, d)];
        dqkv[place(key, 1, h, d)] += ds * qkv[place(row, 0, h, d)];
        dqkv[place(key, 2, h, d)] += p[j] * dout[at(row, C, h * D + d)];
      }
    }
  }
  return dqkv;
}

/// softmax(logits) - one_hot(target).
Matrix cross_entropy_backward(const Matrix& logits, std::span<const int32_t> targets, int64_t V) {
  Matrix dlogits(logits.size());
  const Matrix losses = cross_entropy(logits, targets, V);
  for (size_t m = 0; m < targets.size(); ++m) {
    if (targets[m] < 0) continue;
    const auto row = static_cast<int64_t>(m);
    const double log_sum = losses[m] + logits[at(row, V, targets[m])];
    for (int64_t v = 0; v < V; ++v) dlogits[at(row, V, v)] = std::exp(logits[at(row, V, v)] - log_sum);
    dlogits[at(row, V, targets[m])] -= 1;
  }
  return dlogits;
}

}  // namespace pretrain::reference
