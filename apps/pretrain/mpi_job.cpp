// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/mpi_job.h"

#include <algorithm>
#include <memory>
#include <string>

#include "apps/pretrain/member_of_run.h"
#include "apps/pretrain/session.h"
#include "libs/base/log.h"
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
/// saved.
void train_as_rank(MpiWorld& job, const KeyValues& given, StopSignal& stop) {
  stop.set_words([] { return StopWords{.now = "the run ends when its head, rank 0, has saved"}; });
  stop.set_work_to_save(true);
  MemberOfRun machine(parse_number<int>(given_text(given, "threads")).value_or(0));
  const std::unique_ptr<Channel> channel =
      join_by_mpi(job, {.introduction = machine.introduction(false), .limits = messages_of_head()});
  if (channel == nullptr) return;  // the head has ended, and has said why
  machine.take_part(*channel, {.open_meeting = mpi_meetings(job)});
}

}  // namespace

void run_in_job(SessionRequest request, StopSignal& stop) {
  if (given_text(request.given, "fabric") != "mpi") return run_session(request, stop);
  MpiWorld& job = start_mpi();
  if (job.rank() > 0) return train_as_rank(job, request.given, stop);
  log_info("head of an MPI job of {}", format_counted(static_cast<uint64_t>(job.size()), "rank"));
  if (job.size() == 1)
    log_warning(
        "one rank trains alone; if there should be more, start them with mpirun -n N, or srun --mpi=pmix");
  request.job = &job;
  run_session(request, stop);
}

}  // namespace pretrain
