// SPDX-License-Identifier: Apache-2.0
#pragma once
// Programs such as mpirun and srun, which start many processes of one command. A training run that does not know of the others
// would be one of many runs, all in one state folder or each on its machine.

#include <cstdint>
#include <optional>
#include <string>

#include "apps/pretrain/run_keys.h"

namespace pretrain {

/// The processes that a launcher has started together, this one included, as its environment variables say.
struct LaunchedProcesses {
  uint32_t rank = 0, count = 0;
  std::string variable;  ///< that says how many
  /// Shells that a launcher has started hand the variables on; only rank 0 of Slurm is such a shell.
  bool may_be_inherited = false;
};
/// Empty for a process that was started alone, or by a launcher that is not known.
std::optional<LaunchedProcesses> launched_processes();

/// Refuses to train a run of one machine in each of several processes; for one that may have been started alone it is a
/// warning. Does nothing when the command names another way: --listen, or --fabric gloo.
/// Errors: kUsage.
void refuse_separate_runs(const KeyValues& given);

/// Likewise for --fabric mpi in a job whose MPI found one rank alone, because the launcher belongs to another MPI.
/// Errors: kUsage.
void refuse_separate_jobs();

/// For --fabric mpi, before MPI starts: Open MPI would end this process with a page about its own build when srun has started
/// it without PMIx.
/// Errors: kUsage.
void refuse_srun_without_pmix();

}  // namespace pretrain
