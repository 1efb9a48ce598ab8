// SPDX-License-Identifier: Apache-2.0
#pragma once
// The memory that a run may take, before anything is allocated, and how it could take less. Stateless.

#include <cstdint>
#include <string>

#include "apps/pretrain/run_configuration.h"
#include "libs/model/memory_plan.h"
#include "libs/model/parameters.h"
#include "pipeline/loader_memory.h"

namespace pretrain {

/// Bytes by purpose, at most.
struct RunMemory {
  MemoryPlan pass;
  LoaderMemory loading;
  uint64_t exchange = 0;        ///< gradients on their way to and from other machines
  uint64_t program = 0;         ///< libraries, tokenizer, compiled kernels
  uint64_t optimizer_file = 0;  ///< of the optimizers' part of a checkpoint, on the disk

  uint64_t model() const { return pass.parameters + pass.optimizer + pass.packed; }
  uint64_t total() const { return pass.total() + loading.total() + exchange + program; }
};

/// Requires: `layout` is that of config.model.
RunMemory plan_run_memory(const RunConfiguration& config, const ParameterLayout& layout);

/// What the user can do when `config` needs more than `available` bytes, as "use --recompute layers, which needs 2.1
/// GB". Options come in the order of what they cost, as few as are enough; a run that has begun (`begun`) is offered
/// those that it may change.
std::string memory_remedy(const RunConfiguration& config, uint64_t available, bool begun);

}  // namespace pretrain
