#include <fmt/format.h>

#include "apps/pretrain/check_run.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/options.h"
#include "apps/pretrain/session.h"
#include "libs/base/error.h"

namespace pretrain {
namespace {

/// Takes one of the command's own options out of the keys of the run.
std::string take(KeyValues& values, const std::string& name) {
  const auto found = values.find(name);
  if (found == values.end()) return "";
  std::string value = std::move(found->second);
  values.erase(found);
  return value;
}

}  // namespace

int branch_command(const Arguments& arguments, StopSignal& stop) {
  const Given given = parse_run_keys(arguments, RunCommand::kBranch);
  if (given.help) {
    fmt::print("{}", run_help(RunCommand::kBranch));
    return 0;
  }
  SessionRequest request{.given = given.values};
  BranchRequest branch{.checkpoint = take(request.given, "checkpoint")};
  branch.weights_only = !take(request.given, "weights-only").empty();
  if (branch.checkpoint.empty())
    fail(ErrorKind::kUsage,
         "--checkpoint is missing; name a checkpoint (.../checkpoints/step-...) or the "
         "state folder of a run");
  // The default folder is somebody's run more often than not.
  if (!request.given.contains("state") || request.given.at("state").empty())
    fail(ErrorKind::kUsage, "--state is missing; name a new folder for the branch");
  request.branch = std::move(branch);
  given.check ? check_run(request, stop) : run_session(request, stop);
  return 0;
}

}  // namespace pretrain
