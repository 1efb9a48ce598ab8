// SPDX-License-Identifier: Apache-2.0
#include "libs/world/replica_state.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "libs/base/hash.h"
#include "libs/fabric/secret.h"

namespace pretrain {
namespace {

/// Small enough to take less than the patience on a slow network.
constexpr size_t kPart = size_t{4} << 20;  // elements

/// Calls f(part, tag) for all state in parts, the same on each machine of a run.
template <typename F>
void for_each_part(const Replica& replica, const F& f) {
  std::vector<std::span<float>> arrays{replica.parameters};
  for (const OptimizerSet::State& state : replica.optimizer.state()) arrays.push_back(state.values);
  uint32_t tag = 1;
  for (const std::span<float> array : arrays) {
    for (size_t at = 0; at < array.size(); at += kPart)
      f(array.subspan(at, std::min(kPart, array.size() - at)), tag++);
  }
}

}  // namespace

uint64_t new_state_id() {
  uint64_t id = kNoState;
  while (id == kNoState) {
    const auto bytes = random_bytes();
    std::memcpy(&id, bytes.data(), sizeof(id));
  }
  return id;
}

/// All results that are not finite count as equal, because NaN has many bit patterns.
uint64_t next_state_id(uint64_t id, const StepResult& result, uint64_t batch_hash) {
  const std::array<double, 2> numbers =
      result.finite ? std::array{result.loss, result.gradient_norm} : std::array{0.0, -1.0};
  const uint64_t next =
      hash64(std::as_bytes(std::span(numbers)), hash64(std::as_bytes(std::span(&batch_hash, 1)), id));
  return next == kNoState ? 1 : next;
}

uint64_t next_state_id(uint64_t id, const MadeStep& made) {
  return next_state_id(id, {.loss = made.loss, .gradient_norm = made.gradient_norm, .finite = made.finite},
                       made.batch_hash);
}

MadeStep made_step(uint64_t step, const StepResult& result, uint64_t batch_hash) {
  return {.step = step,
          .targets = result.targets,
          .batch_hash = batch_hash,
          .loss = result.loss,
          .gradient_norm = result.gradient_norm,
          .finite = result.finite};
}

uint64_t hash_of_parameters(const Replica& replica) {
  return hash64(std::as_bytes(replica.parameters));
}

void give_state(const Replica& replica, Fabric& fabric, int to, std::chrono::milliseconds patience) {
  for_each_part(replica,
                [&](std::span<float> part, uint32_t tag) { fabric.send(to, tag, std::as_bytes(part)); });
  fabric.wait(patience);
}

void take_state(const Replica& replica, Fabric& fabric, int from, std::chrono::milliseconds patience) {
  for_each_part(replica, [&](std::span<float> part, uint32_t tag) {
    fabric.receive(from, tag, std::as_writable_bytes(part));
  });
  fabric.wait(patience);
}

}  // namespace pretrain
