// SPDX-License-Identifier: Apache-2.0
#pragma once
// Hashes (xxHash). 64 bits for audit values and sampling decisions, 128 bits for the integrity of files.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace pretrain {

/// XXH3, 64 bits, stable across platforms and releases.
uint64_t hash64(std::span<const std::byte> data, uint64_t seed = 0);
uint64_t hash64(std::string_view data, uint64_t seed = 0);

/// Sixteen lower-case hexadecimal digits.
std::string hex64(uint64_t value);

/// Incremental XXH3 of 128 bits. Single-owner.
class Hasher128 {
 public:
  Hasher128();
  ~Hasher128();
  Hasher128(Hasher128&&) noexcept;
  Hasher128& operator=(Hasher128&&) noexcept;

  void update(std::span<const std::byte> data);
  void update(std::string_view data) { update(std::as_bytes(std::span(data))); }
  /// 32 lower-case hexadecimal digits of everything so far.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// XXH3 of 128 bits of one buffer, as 32 hexadecimal digits.
std::string hash128_hex(std::span<const std::byte> data);
std::string hash128_hex(std::string_view data);

}  // namespace pretrain
