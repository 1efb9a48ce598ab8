// SPDX-License-Identifier: Apache-2.0
#include "libs/base/rng.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "libs/base/check.h"

namespace pretrain {

Rng::Rng(uint64_t seed) {
  for (auto& word : state_) {
    word = split_mix64(seed);
    seed += 0x9e3779b97f4a7c15ULL;
  }
}

uint64_t Rng::next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t Rng::below(uint64_t bound) {
  PRETRAIN_CHECK(bound > 0, "bound is 0");
  const uint64_t threshold = (0 - bound) % bound;  // values below it would make low results more likely
  while (true) {
    const uint64_t value = next();
    if (value >= threshold) return value % bound;
  }
}

double Rng::uniform() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

double Rng::normal() {
  const double u = 1.0 - uniform();  // in (0, 1]: the logarithm stays finite
  const double v = uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

uint64_t permute_index(uint64_t index, uint64_t size, uint64_t key) {
  PRETRAIN_CHECK(index < size, "index {} of {}", index, size);
  if (size < 2) return index;
  const int half_bits = (static_cast<int>(std::bit_width(size - 1)) + 1) / 2;
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  uint64_t value = index;
  do {  // walks the cycle until it is back in [0, size): at most 4 rounds on average
    uint64_t left = value >> half_bits;
    uint64_t right = value & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t next_right = left ^ (split_mix64(right ^ derive_seed(key, round)) & mask);
      left = right;
      right = next_right;
    }
    value = (left << half_bits) | right;
  } while (value >= size);
  return value;
}

}  // namespace pretrain
