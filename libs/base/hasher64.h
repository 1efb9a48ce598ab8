// SPDX-License-Identifier: Apache-2.0
#pragma once
// Incremental XXH3 of 64 bits, with the same result as hash64() of the whole.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace pretrain {

/// Single-owner.
class Hasher64 {
 public:
  explicit Hasher64(uint64_t seed = 0);
  ~Hasher64();
  Hasher64(const Hasher64&) = delete;
  Hasher64& operator=(const Hasher64&) = delete;

  void update(std::span<const std::byte> data);
  /// The hash of all data so far.
  uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pretrain
