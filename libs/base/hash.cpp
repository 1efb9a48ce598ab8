// SPDX-License-Identifier: Apache-2.0
#include "libs/base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include "libs/base/check.h"

namespace pretrain {

uint64_t hash64(std::span<const std::byte> data, uint64_t seed) {
  return XXH3_64bits_withSeed(data.data(), data.size(), seed);
}

uint64_t hash64(std::string_view data, uint64_t seed) {
  return hash64(std::as_bytes(std::span(data)), seed);
}

std::string hex64(uint64_t value) {
  return fmt::format("{:016x}", value);
}

struct Hasher128::State {
  XXH3_state_t* xxh = XXH3_createState();
  State() {
    PRETRAIN_CHECK(xxh != nullptr, "out of memory");
    XXH3_128bits_reset(xxh);
  }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Hasher128::Hasher128() : state_(std::make_unique<State>()) {}
Hasher128::~Hasher128() = default;
Hasher128::Hasher128(Hasher128&&) noexcept = default;
Hasher128& Hasher128::operator=(Hasher128&&) noexcept = default;

void Hasher128::update(std::span<const std::byte> data) {
  XXH3_128bits_update(state_->xxh, data.data(), data.size());
}

std::string Hasher128::hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->xxh);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string hash128_hex(std::span<const std::byte> data) {
  const XXH128_hash_t hash = XXH3_128bits(data.data(), data.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string hash128_hex(std::string_view data) {
  return hash128_hex(std::as_bytes(std::span(data)));
}

}  // namespace pretrain
