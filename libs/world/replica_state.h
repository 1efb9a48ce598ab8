// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which state a replica has, and how a machine takes that of another one. The id of a state follows from the id before
// it and from what the step between them gave, so two machines with equal ids have trained the same steps with the same
// results, and one that computed something else is found by its id.

#include <chrono>
#include <cstdint>

#include "libs/fabric/fabric.h"
#include "libs/train/step_maker.h"

namespace pretrain {

/// Of a machine that has no state yet; no other state has it.
inline constexpr uint64_t kNoState = 0;

/// An id that no state of this or another run has.
uint64_t new_state_id();

/// The id of the state after a step.
uint64_t next_state_id(uint64_t id, const StepResult& result, uint64_t batch_hash);
uint64_t next_state_id(uint64_t id, const MadeStep& made);

MadeStep made_step(uint64_t step, const StepResult& result, uint64_t batch_hash);

/// Of the parameters, to compare them with those of another machine.
uint64_t hash_of_parameters(const Replica& replica);

/// Parameters and moments, to the machine of this rank, which calls take_state() meanwhile.
/// Errors: PeerLost.
void give_state(const Replica& replica, Fabric& fabric, int to, std::chrono::milliseconds patience);
void take_state(const Replica& replica, Fabric& fabric, int from, std::chrono::milliseconds patience);

}  // namespace pretrain
