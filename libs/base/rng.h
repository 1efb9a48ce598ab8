// SPDX-License-Identifier: Apache-2.0
#pragma once
// Seeded random numbers whose state is a few plain integers, so that a checkpoint can hold them, and whose
// values are the same on every platform (std::distributions are not).

#include <array>
#include <cstdint>

namespace pretrain {

/// One round of SplitMix64: a good hash of a counter or of a seed.
constexpr uint64_t split_mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Mixes a seed with a purpose, so that streams for different uses never overlap.
constexpr uint64_t derive_seed(uint64_t seed, uint64_t purpose) {
  return split_mix64(seed ^ split_mix64(purpose));
}

/// xoshiro256**. Single-owner.
/// Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators".
class Rng {
 public:
  using State = std::array<uint64_t, 4>;

  explicit Rng(uint64_t seed);
  explicit Rng(const State& state) : state_(state) {}

  uint64_t next();
  /// Uniform in [0, bound), without bias.
  /// Requires: bound > 0.
  uint64_t below(uint64_t bound);
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  /// Standard normal (Box-Muller, one value a call, no hidden second value).
  double normal();

  const State& state() const { return state_; }

 private:
  State state_;
};

/// A pseudorandom permutation of [0, size) as a function of (index, key): no table, any size.
/// Source: four-round Feistel network with cycle walking (Black and Rogaway, "Ciphers with arbitrary
/// domains").
/// Requires: index < size.
uint64_t permute_index(uint64_t index, uint64_t size, uint64_t key);

}  // namespace pretrain
