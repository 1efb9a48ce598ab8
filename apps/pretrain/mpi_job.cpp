// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/mpi_job.h"

#include <algorithm>
#include <memory>
#include <string>

#include "apps/pretrain/launcher.h"
#include "apps/pretrain/member_of_run.h"
#include "apps/pretrain/session.h"
#include "libs/base/error.h"
#include "libs/base/host.h"
#include "libs/base/log.h"
#include "libs/base/log_level.h"
#include "libs/base/number.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/fabric/mpi_channel.h"
#include "libs/fabric/mpi_world.h"
#include "libs/world/messages.h"

namespace pretrain {
namespace {

std::string given_text(const KeyValues& given, const std::string& key) {
  const auto found = given.find(key);
  return found == given.end() ? "" : found->second;
}

/// A member of a job. It takes no stop request: mpirun and srun send theirs to all ranks, and the run ends when the head has
/// saved. The head logs for all.
void train_as_rank(MpiWorld& job, const KeyValues& given, StopSignal& stop) {
  set_log_level(LogLevel::kWarning);
  stop.set_words([] { return StopWords{.now = "the run ends when its head, rank 0, has saved"}; });
  stop.set_work_to_save(true);
  MemberOfRun machine(parse_number<int>(given_text(given, "threads")).value_or(0));
  const std::unique_ptr<Channel> channel =
      join_by_mpi(job, {.introduction = machine.introduction(false), .limits = messages_of_head()});
  if (channel == nullptr) return;  // the head has ended, and has said why
  machine.take_part(*channel, {.open_meeting = mpi_meetings(job)});
}

/// The ranks of a job log into one place.
void train_with_name(MpiWorld& job, const KeyValues& given, StopSignal& stop) {
  try {
    train_as_rank(job, given, stop);
  } catch (const Error& error) {
    fail(error.kind(), "rank {} ({}): {}", job.rank(), machine_name(), error.what());
  }
}

}  // namespace

void run_in_job(SessionRequest request, StopSignal& stop) {
  if (given_text(request.given, "fabric") != "mpi") {
    refuse_separate_runs(request.given);
    return run_session(request, stop);
  }
  refuse_srun_without_pmix();
  MpiWorld& job = start_mpi();
  if (job.size() == 1) refuse_separate_jobs();
  if (job.rank() > 0) {
    if (request.failure != nullptr) request.failure->set_command("", {});  // the head's is enough
    return train_with_name(job, request.given, stop);
  }
  log_info("head of an MPI job of {}", format_counted(static_cast<uint64_t>(job.size()), "rank"));
  if (job.size() == 1)
    log_warning(
        "one rank trains alone; if there should be more, start them with mpirun -n N, or srun --mpi=pmix");
  request.job = &job;
  run_session(request, stop);
}

}  // namespace pretrain
