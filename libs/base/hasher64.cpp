// SPDX-License-Identifier: Apache-2.0
#include "libs/base/hasher64.h"

#include <xxhash.h>

#include "libs/base/check.h"

namespace pretrain {

struct Hasher64::State {
  XXH3_state_t* xxh = XXH3_createState();
  State() { PRETRAIN_CHECK(xxh != nullptr, "out of memory"); }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Hasher64::Hasher64(uint64_t seed) : state_(std::make_unique<State>()) {
  XXH3_64bits_reset_withSeed(state_->xxh, seed);
}

Hasher64::~Hasher64() = default;

void Hasher64::update(std::span<const std::byte> data) {
  XXH3_64bits_update(state_->xxh, data.data(), data.size());
}

uint64_t Hasher64::value() const {
  return XXH3_64bits_digest(state_->xxh);
}

}  // namespace pretrain
