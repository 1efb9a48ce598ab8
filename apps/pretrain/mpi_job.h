// SPDX-License-Identifier: Apache-2.0
#pragma once
// A training run in a job that mpirun or srun has started: each rank has the same command line. Rank 0 is the head, with
// the corpus and the state folder; the others are members, and read neither.

#include "apps/pretrain/session_request.h"
#include "libs/base/stop.h"

namespace pretrain {

/// Runs the session, with --fabric mpi in the rank's place.
/// Errors: as run_session(); on other ranks those of a member.
void run_in_job(SessionRequest request, StopSignal& stop);

}  // namespace pretrain
