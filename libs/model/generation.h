// SPDX-License-Identifier: Apache-2.0
#pragma once
// Generation, token by token, with a key-value cache, straight from the flat parameters.

#include <cstdint>
#include <span>
#include <vector>

#include "libs/base/rng.h"
#include "libs/model/blocks.h"
#include "libs/model/config.h"
#include "libs/model/parameters.h"
#include "libs/model/token_context.h"
#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"

namespace pretrain {

struct SamplingOptions {
  double temperature = 1.0;  ///< 0: always the most likely token
  uint32_t top_k = 0;        ///< 0: all
  double top_p = 1.0;        ///< smallest set of tokens whose probabilities reach it; 1: all
  uint64_t seed = 0;
};

/// Chooses a token from logits, which it may reorder copies of.
/// Requires: at least one logit.
/// Source: for top_p Holtzman et al., "The Curious Case of Neural Text Degeneration", section 3.1.
uint32_t sample_token(std::span<const float> logits, const SamplingOptions& options, Rng& rng);

/// One sequence. Single-owner. The parameters must outlive it and not change while it is used.
class Generator {
 public:
  Generator(Compute& compute, const ModelConfig& config, const ParameterLayout& layout,
            const float* parameters);
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  /// Appends a token and returns the logits [V] for the one after it. When the context is full, the older
  /// half is forgotten and the rest is read again, since positions are learned.
  /// Requires: token < V.
  std::span<const float> feed(uint32_t token);

  /// Forgets everything.
  void reset();

 private:
  void step(uint32_t token);

  TokenContext context_;
  const ParameterLayout& layout_;
  std::vector<uint32_t> tokens_;  // those in the cache
  std::vector<BlockDecoder> blocks_;
  Buffer<float> logits_;
};

}  // namespace pretrain
