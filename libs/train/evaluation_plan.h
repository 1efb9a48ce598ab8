// SPDX-License-Identifier: Apache-2.0
#pragma once
// When evaluations are due: every N steps, and a few earlier ones, because the loss changes most at first.
// Thread-safe: free functions.

#include <cstdint>

namespace pretrain {

/// Whether an evaluation is due after this step: a multiple of `every`, or a half, a quarter, an eighth or a
/// sixteenth of it, if that is at least 25 steps. 0: never.
bool evaluation_is_due(uint64_t every, uint64_t step);

/// How many are due after the steps from `after` + 1 to `last`.
uint64_t evaluations_between(uint64_t every, uint64_t after, uint64_t last);

}  // namespace pretrain
