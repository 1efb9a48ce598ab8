// SPDX-License-Identifier: Apache-2.0
#pragma once
// Writes the text samples of a run.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "libs/model/generation.h"
#include "libs/train/observer.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

struct SamplerOptions {
  std::vector<std::string> prompts = {};  ///< none: one sample, from the start of a document
  uint64_t tokens = 120;                  ///< 0: no samples
  uint64_t seed = 1;
  std::stop_token stop = {};               ///< ends a sample early
  std::function<void()> on_progress = {};  ///< called after each token
};

/// Single-owner. References must outlive it.
class Sampler {
 public:
  Sampler(Compute& compute, const ModelConfig& model, const ParameterLayout& layout,
          const Tokenizer& tokenizer, SamplerOptions options);

  /// One sample for each prompt; none of an untrained model, which only writes noise. Depends on the seed,
  /// the step and the parameters alone, so that a resumed run writes the same.
  std::vector<Sample> write(uint64_t step, const float* parameters);

 private:
  std::string continuation_of(const std::string& prompt, uint64_t step, const float* parameters);

  Compute& compute_;
  const ModelConfig& model_;
  const ParameterLayout& layout_;
  const Tokenizer& tokenizer_;
  SamplerOptions options_;
};

}  // namespace pretrain
