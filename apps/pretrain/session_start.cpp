// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/session_start.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "apps/pretrain/loadable.h"
#include "apps/pretrain/shell_text.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/units.h"
#include "libs/checkpoint/linked_place.h"

namespace pretrain {
namespace {

constexpr size_t kShownFailures = 3;  // more would make the line unreadable and add nothing new

std::string describe_some(const std::vector<FailedCheckpoint>& failed) {
  const size_t shown = std::min(failed.size(), kShownFailures);
  std::string text = describe({failed.begin(), failed.begin() + static_cast<ptrdiff_t>(shown)});
  if (shown < failed.size()) text += fmt::format("; and {} more", failed.size() - shown);
  return text;
}

/// What the user can do when a start is refused.
std::string remedy(const Path& state, const StartPoint& start) {
  const auto all_are = [&start](Trouble trouble) {
    return std::ranges::all_of(start.failed,
                               [trouble](const FailedCheckpoint& f) { return f.trouble == trouble; });
  };
  // Going back would set aside checkpoints that are most likely intact.
  if (all_are(Trouble::kForbidden))
    return "check the permissions and the owner of its files, and start again";
  const char* mend = all_are(Trouble::kRewritten) ? "restore the original files"
                                                  : "check the disk, its cable and the memory";
  if (!start.newest) {
    return fmt::format("{} and start again, or start a new run in another folder with --state", mend);
  }
  return fmt::format(
      "{} and start again, or go back to step {}, which is intact: pretrain resume --state {} "
      "--from {}",
      mend, start.newest->step, shell_word(state.native()), start.newest->step);
}

[[noreturn]] void refuse(const Path& state, const StartPoint& start) {
  const size_t count = start.failed.size();
  fail(ErrorKind::kData, "{}: {} can't be used: {}; nothing was moved; {}",
       checkpoints_folder(state).native(),
       count == 1 ? "the newest checkpoint" : fmt::format("{} checkpoints", count),
       describe_some(start.failed), remedy(state, start));
}

Checkpoint checkpoint_of(const Path& state, uint64_t step, const std::stop_token& stop) {
  const Path folder = checkpoints_folder(state) / checkpoint_name(step);
  if (!folder_exists(folder)) {
    std::vector<uint64_t> steps;
    for (const CheckpointEntry& entry : list_checkpoints(state)) steps.push_back(entry.step);
    fail(ErrorKind::kData, "{} has no checkpoint of step {}; it has {}", checkpoints_folder(state).native(),
         step, steps.empty() ? "none" : fmt::format("{}", fmt::join(steps, ", ")));
  }
  CheckpointVerdict verdict = judge_for_resume(folder, stop);
  if (!verdict.checkpoint) {
    fail(ErrorKind::kData, "the checkpoint of step {} {}; nothing was moved; go back to another step", step,
         verdict.reason);
  }
  return std::move(*verdict.checkpoint);
}

void report_changed(const Checkpoint& checkpoint) {
  if (checkpoint.changed.empty()) return;
  log_warning(
      "checkpoint of step {} was changed by another program: {}; the run does not need these files "
      "and continues",
      format_count(checkpoint.step), fmt::join(checkpoint.changed, ", "));
}

void report_moved(const std::vector<MovedCheckpoint>& moved) {
  if (moved.empty()) return;
  std::string steps;
  for (auto at = moved.rbegin(); at != moved.rend(); ++at)
    steps += fmt::format("{}{}", steps.empty() ? "" : ", ", at->step);
  log_info("{} {} moved to {}", moved.size() == 1 ? "checkpoint" : "checkpoints", steps,
           moved.front().folder.parent_path().native());
}

}  // namespace

void check_request(const Path& state, const SessionRequest& request) {
  if (file_exists(state))
    fail(ErrorKind::kUsage, "--state must be a folder (got the file {})", state.native());
  refuse_place_in_checkpoints(state);
  const std::string remains = remains_of_run(state);
  const bool has_run = !list_checkpoints(state).empty();
  if (has_run) return;
  if (!remains.empty()) {
    fail(ErrorKind::kData,
         "{} held a run ({}) but has no checkpoint to continue from; restore one into {}{}, or start a new "
         "run in another folder with --state",
         state.native(), remains, checkpoints_folder(state).native(), note_on_empty_link(state));
  }
  if (request.must_resume) {
    fail(ErrorKind::kData,
         "{}: no run there; give its folder with --state, or start one with pretrain --corpus PATH",
         state.native());
  }
}

SessionStart look_for_start(const Path& state, const SessionRequest& request, const std::stop_token& stop) {
  SessionStart start;
  if (request.from_step) {
    start.checkpoint = checkpoint_of(state, *request.from_step, stop);
    start.back_to = request.from_step;
  } else {
    StartPoint found =
        find_start_point(state, [&](const Path& folder) { return judge_for_resume(folder, stop); });
    if (!found.may_continue()) refuse(state, found);
    start.checkpoint = std::move(found.newest);
    if (!found.failed.empty()) start.damaged = std::move(found.failed.front());
  }
  if (start.checkpoint) report_changed(*start.checkpoint);
  start.untrained = start.checkpoint && is_untrained(state);
  return start;
}

void settle(FileSystem& files, const Path& state, CheckpointStore& store, const SessionStart& start) {
  if (start.damaged) store.set_aside(*start.damaged);
  if (start.back_to) report_moved(store.abandon_newer_than(*start.back_to));
  if (!start.replaced) return;
  remove_records(files,
                 state);  // first: records without a checkpoint would look like the remains of a lost run
  store.remove_initial();
  log_info("the run in {} was not trained yet; this run replaces it", state.native());
}

void report_failure(const FailedCheckpoint& failed) {
  log_warning("checkpoint of step {} {}; {}", failed.step, failed.reason,
              failed.set_aside ? "set aside as " + failed.folder.native()
                               : "it stays there and does not count for --keep");
}

}  // namespace pretrain
