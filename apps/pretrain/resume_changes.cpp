// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/resume_changes.h"

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

void check_skips(const SkipRanges& skips, uint64_t checkpoint_step) {
  for (const SkipRanges::Range& range : skips.ranges()) {
    if (range.first > checkpoint_step) continue;
    fail(ErrorKind::kUsage,
         "--skip-steps {}: step {} is already trained; the run continues after step {}; give later steps, or "
         "go back to a checkpoint before step {} with --from",
         skips.to_string(), format_count(range.first), format_count(checkpoint_step),
         format_count(range.first));
  }
}

/// With a later end the rate is higher at each step after the warmup. The cooldown of a wsd schedule starts later,
/// too, so its rate may return to the peak.
void report_rise(const Schedule& now, const Schedule& before, uint64_t step) {
  if (step < now.warmup_steps || now.at(step + 1) <= before.at(step)) return;
  if (now.kind != ScheduleKind::kWsd) {
    log_warning("the rate had fallen to {:.3g} and rises to {:.3g} again, because it now falls until step {}",
                before.at(step), now.at(step + 1), format_count(now.total_steps));
    return;
  }
  log_warning(
      "the rate had fallen to {:.3g} and rises to {:.3g} again, because the cooldown now starts at step {}; to "
      "train as if it had not started, continue from a checkpoint up to step {} with --from",
      before.at(step), now.at(step + 1), format_count(now.stable_until()),
      format_count(before.stable_until()));
}

}  // namespace

SkipRanges skips_of(const Path& state_folder, const SessionRequest& request, uint64_t checkpoint_step) {
  check_skips(request.skips, checkpoint_step);
  SkipRanges skips = request.from_step ? SkipRanges() : load_skip_requests(state_folder);
  skips.add(request.skips);
  if (!request.skips.empty()) log_info("will skip the batches of steps {}", request.skips.to_string());
  return skips;
}

nlohmann::json changed_options(const KeyValues& saved, const KeyValues& now) {
  const auto value_in = [](const KeyValues& values, const std::string& name) -> nlohmann::json {
    const auto found = values.find(name);
    return found == values.end() || found->second.empty() ? nlohmann::json() : nlohmann::json(found->second);
  };
  nlohmann::json changed = nlohmann::json::object();
  for (const auto& option : run_options()) {
    const std::string name(option.info.name);
    const nlohmann::json before = value_in(saved, name), after = value_in(now, name);
    if (before != after) changed[name] = nlohmann::json::array({before, after});
  }
  return changed;
}

void report_schedule(const RunConfiguration& c, const Checkpoint& checkpoint) {
  const Schedule& schedule = c.trainer.schedule;
  if (!schedule.has_end() || schedule.total_steps == 0) return;
  const auto name = row_of(kSchedules, schedule.kind).name;
  const std::string before = checkpoint.manifest.configuration.value("schedule-steps", "");
  if (!before.empty() && before != std::to_string(schedule.total_steps)) {
    log_info("the {} schedule now ends at step {} (before: step {})", name,
             format_count(schedule.total_steps), format_count(parse_count(before).value_or(0)));
    report_rise(schedule, configuration_in(checkpoint.manifest.configuration).trainer.schedule,
                checkpoint.step);
  }
  // Only a limit in steps is known in advance; the other limits matter once the schedule has ended.
  const bool beyond = c.trainer.max_steps > 0 ? c.trainer.max_steps > schedule.total_steps
                                              : checkpoint.step >= schedule.total_steps;
  if (!beyond) return;
  log_warning(
      "the {} schedule ends at step {}: {} at its final learning rate of {:.3g}; to extend it, add "
      "--schedule-steps {}",
      name, format_count(schedule.total_steps),
      c.trainer.max_steps > 0
          ? fmt::format("the steps after it, up to {}, are trained", format_count(c.trainer.max_steps))
          : "the steps from here on are trained",
      schedule.at(schedule.total_steps), c.trainer.max_steps > 0 ? std::to_string(c.trainer.max_steps) : "N");
}

}  // namespace pretrain
