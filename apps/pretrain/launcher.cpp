// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/launcher.h"

#include <cstdlib>

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/number.h"
#include "libs/fabric/mpi_world.h"

namespace pretrain {
namespace {

struct Launcher {
  const char *rank, *count;
  bool starts_shells = false;
};

constexpr const char* kStepOfSlurm = "SLURM_STEP_NUM_TASKS";

/// The first that applies counts: mpirun of Open MPI starts its daemons by srun. Slurm's other count, SLURM_NTASKS, is that of
/// the whole job, which a batch script has, too.
constexpr Launcher kLaunchers[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                   {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"},
                                   {"PMI_RANK", "PMI_SIZE"},
                                   {"SLURM_PROCID", kStepOfSlurm, true}};

std::optional<uint32_t> number_in_environment(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? std::nullopt : parse_number<uint32_t>(text);
}

bool is_given(const KeyValues& given, const std::string& key) {
  const auto found = given.find(key);
  return found != given.end() && !found->second.empty();
}

void refuse_or_warn(const LaunchedProcesses& all, const std::string& problem) {
  const std::string line = fmt::format("this is one of {} processes that a launcher has started ({}), {}",
                                       all.count, all.variable, problem);
  if (!all.may_be_inherited) fail(ErrorKind::kUsage, "{}", line);
  log_warning("{}", line);
}

}  // namespace

std::optional<LaunchedProcesses> launched_processes() {
  for (const Launcher& launcher : kLaunchers) {
    const auto rank = number_in_environment(launcher.rank), count = number_in_environment(launcher.count);
    if (!rank || !count || *rank >= *count) continue;
    return LaunchedProcesses{.rank = *rank,
                             .count = *count,
                             .variable = launcher.count,
                             .may_be_inherited = launcher.starts_shells && *rank == 0};
  }
  return std::nullopt;
}

void refuse_separate_runs(const KeyValues& given) {
  const auto all = launched_processes();
  if (!all || all->count < 2 || is_given(given, "listen") || is_given(given, "fabric")) return;
  refuse_or_warn(
      *all, fmt::format("and each would train a run of its own; {}, or add --fabric gloo if that is meant",
                        has_mpi() ? "add --fabric mpi, by which they share one"
                                  : "start one process, because this program was built without MPI"));
}

void refuse_srun_without_pmix() {
  if (!number_in_environment(kStepOfSlurm) || std::getenv("PMIX_RANK") != nullptr || !has_open_mpi()) return;
  fail(
      ErrorKind::kUsage,
      "srun has started this process without PMIx, by which Open MPI finds the other ranks; use srun --mpi=pmix");
}

void refuse_separate_jobs() {
  const auto all = launched_processes();
  if (!all || all->count < 2) return;
  refuse_or_warn(
      *all,
      "but the MPI of this program finds it alone, so each would train a run of its own; use the mpirun of the MPI "
      "that pretrain --version names, or srun --mpi=pmix");
}

}  // namespace pretrain
