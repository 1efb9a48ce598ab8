// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/check_run.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/mpi_job.h"
#include "apps/pretrain/options.h"
#include "libs/base/error.h"

namespace pretrain {
namespace {

/// Removes one of the command's own options from the keys of the run and returns its value.
std::string take(KeyValues& values, const std::string& name) {
  const auto found = values.find(name);
  if (found == values.end()) return "";
  std::string value = std::move(found->second);
  values.erase(found);
  return value;
}

/// Errors: kUsage.
SessionRequest request_to_branch(const Given& given) {
  SessionRequest request{.given = given.values};
  BranchRequest branch{.checkpoint = take(request.given, "checkpoint")};
  branch.weights_only = !take(request.given, "weights-only").empty();
  if (branch.checkpoint.empty())
    fail(
        ErrorKind::kUsage,
        "--checkpoint is missing; give a checkpoint (.../checkpoints/step-...) or the state folder of a run");
  // No default folder: it usually holds the parent.
  if (!request.given.contains("state") || request.given.at("state").empty())
    fail(ErrorKind::kUsage, "--state is missing; give a new folder for the branch");
  request.branch = std::move(branch);
  return request;
}

}  // namespace

int branch_command(const Arguments& arguments, StopSignal& stop) {
  FailureNotice failure;
  return failure.guard([&] {
    const Given given = parse_run_keys(arguments, RunCommand::kBranch, noting(failure));
    if (given.help) {
      print_run_help(RunCommand::kBranch);
      return 0;
    }
    SessionRequest request = request_to_branch(given);
    request.failure = &failure;
    given.check ? check_run(request, stop) : run_in_job(request, stop);
    return 0;
  });
}

}  // namespace pretrain
