// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/start_point.h"

#include <fmt/format.h>

#include "libs/checkpoint/linked_place.h"

namespace pretrain {

bool StartPoint::may_continue() const {
  if (failed.empty()) return true;
  return failed.size() == 1 && failed.front().trouble == Trouble::kDamaged && newest.has_value();
}

StartPoint find_start_point(const Path& state_folder, const CheckpointJudge& judge) {
  require_linked_place(state_folder);
  StartPoint start;
  for (const CheckpointEntry& entry : list_checkpoints(state_folder)) {
    CheckpointVerdict verdict = judge(entry.folder);
    if (verdict.checkpoint) {
      start.newest = std::move(verdict.checkpoint);
      break;
    }
    start.failed.push_back({.step = entry.step,
                            .folder = entry.folder,
                            .trouble = verdict.trouble,
                            .reason = std::move(verdict.reason)});
  }
  return start;
}

StartPoint find_start_point(const Path& state_folder, const std::stop_token& stop) {
  return find_start_point(state_folder, [&](const Path& folder) { return judge_checkpoint(folder, stop); });
}

std::string describe(const std::vector<FailedCheckpoint>& failed) {
  std::string text;
  for (const FailedCheckpoint& each : failed)
    text += fmt::format("{}step {} {}", text.empty() ? "" : "; ", each.step, each.reason);
  return text;
}

std::optional<Checkpoint> find_newest_verified(const Path& state_folder, const FailureReport& on_failed) {
  StartPoint start = find_start_point(state_folder);
  if (on_failed) {
    for (const FailedCheckpoint& each : start.failed) on_failed(each);
  }
  return std::move(start.newest);
}

}  // namespace pretrain
