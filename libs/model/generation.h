#pragma once
// Generation, token by token, with a key-value cache, straight from the flat parameters.

#include <cstdint>
#include <span>
#include <vector>

#include "libs/base/rng.h"
#include "libs/model/config.h"
#include "libs/model/parameters.h"
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

  /// Appends a token and returns the logits [V] for the one after it. When the context is full, the older
  /// half is forgotten and the rest is read again, since positions are learned.
  /// Requires: token < V.
  std::span<const float> feed(uint32_t token);

  /// Forgets everything.
  void reset();

 private:
  void step(uint32_t token);
  void attention_layer(size_t layer);
  void mlp_layer(size_t layer);
  void norm(const NormParameters& at);
  /// out = x W + b.
  /// Shapes: x [in], out [out].
  void linear(const LinearParameters& at, const float* x, float* out);
  void add_to_residual(const Buffer<float>& branch);
  const float* parameter(size_t offset) const { return parameters_ + offset; }

  Compute& compute_;
  ModelConfig config_;
  const ParameterLayout& layout_;
  const float* parameters_;
  std::vector<uint32_t> tokens_;     // those in the cache
  std::vector<Buffer<float>> keys_;  // a layer each, [T, C]
  std::vector<Buffer<float>> values_;
  Buffer<float> x_, normed_, qkv_, mixed_, wide_, scores_, scratch_, logits_;
};

}  // namespace pretrain
