// SPDX-License-Identifier: Apache-2.0
#pragma once
// Choosing the next token from logits. Stateless, thread-safe.

#include <cstdint>
#include <span>

#include "libs/base/rng.h"

namespace pretrain {

/// Applied in this order, as other programs do: penalty, temperature, top_k, top_p, min_p.
struct SamplingOptions {
  double temperature = 1.0;  ///< 0: always the most likely token
  uint32_t top_k = 0;        ///< 0: all
  double top_p = 1.0;        ///< smallest set of tokens whose probabilities reach it; 1: all
  double min_p = 0;          ///< least probability, as a share of that of the most likely token; 0: all
  /// Divides the positive logits of tokens that are there already and multiplies the negative ones; 1: none.
  double repetition_penalty = 1;
  uint64_t seed = 0;
};

/// Chooses a token from logits. `seen`: the tokens that the penalty is for, also several times.
/// Requires: at least one logit; tokens below their number.
/// Source: for top_p Holtzman et al., "The Curious Case of Neural Text Degeneration", section 3.1; for min_p Nguyen et
/// al., "Turning Up the Heat", section 3; for the penalty Keskar et al., "CTRL", section 4.1.
uint32_t sample_token(std::span<const float> logits, const SamplingOptions& options, Rng& rng,
                      std::span<const uint32_t> seen = {});

}  // namespace pretrain
