// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long a model that was not measured takes to train on a token.

namespace pretrain {

/// One token's training by one model.
struct TokenWork {
  double operations = 0;  ///< of floating-point numbers
  double values = 0;      ///< layers x width: what is read and written, which rules narrow models
};

/// Seconds of a unit of work.
struct TokenCost {
  double per_operation = 0;
  double per_value = 0;

  double seconds(const TokenWork& work) const {
    return per_operation * work.operations + per_value * work.values;
  }
};

/// A measured model.
struct TokenSample {
  TokenWork work;
  double seconds = 0;  ///< a token
};

/// The costs at which both take what was measured. Where noise makes one of them negative: all by the operations of
/// `medium`.
TokenCost fit_token_cost(const TokenSample& narrow, const TokenSample& medium);

}  // namespace pretrain
