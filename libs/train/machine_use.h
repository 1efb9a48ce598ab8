// SPDX-License-Identifier: Apache-2.0
#pragma once
// What training costs the machine, as far as the machine shows it, for the records of a run.

#include <cstdint>
#include <functional>
#include <optional>

namespace pretrain {

/// Empty: the machine does not show it, or only to root.
struct MachineUse {
  std::optional<double> watts;   ///< of the processor's packages now, whatever runs on them
  std::optional<double> joules;  ///< the same in this session
  std::optional<uint64_t>
      throttled;  ///< times that the processor slowed down because of heat in this session
};

/// The newest reading; called after each step, so it must not wait for the machine.
using MachineUseReader = std::function<MachineUse()>;

}  // namespace pretrain
