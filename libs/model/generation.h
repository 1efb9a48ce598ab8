// SPDX-License-Identifier: Apache-2.0
#pragma once
// Generation, token by token, with a key-value cache, straight from the flat parameters: what a training run uses for
// its samples, as it needs no memory for weights. batch_generator.h is faster.

#include <cstdint>
#include <span>
#include <vector>

#include "libs/model/blocks.h"
#include "libs/model/config.h"
#include "libs/model/parameters.h"
#include "libs/model/sampling.h"
#include "libs/model/token_context.h"
#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"

namespace pretrain {

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
