// SPDX-License-Identifier: Apache-2.0
#pragma once
// AdamW for one parameter in double precision, from the formula: the judge of the fast update.
// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", algorithm 2; Chen et al., "Cautious Weight
// Decay", algorithm 1.

#include <cmath>

namespace pretrain::test {

/// Its constants are written here again: shared ones would hide a fault in them.
struct ScalarAdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.99;
  double epsilon = 1e-8;
  bool cautious_decay = false;
};

struct ScalarAdamW {
  double p, m = 0, v = 0;

  /// `t` counts updates from 1.
  void update(int t, double gradient, double learning_rate, double weight_decay,
              const ScalarAdamWOptions& options = {}) {
    m = options.beta1 * m + (1 - options.beta1) * gradient;
    v = options.beta2 * v + (1 - options.beta2) * gradient * gradient;
    const double m_hat = m / (1 - std::pow(options.beta1, t));
    const double v_hat = v / (1 - std::pow(options.beta2, t));
    const double direction = m_hat / (std::sqrt(v_hat) + options.epsilon);
    const bool is_decayed = !options.cautious_decay || direction * p >= 0;
    p -= learning_rate * (direction + (is_decayed ? weight_decay * p : 0));
  }
};

}  // namespace pretrain::test
