// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_end.h"

#include <algorithm>
#include <vector>

#include <fmt/ranges.h>

#include "apps/pretrain/shell_text.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

/// A limit that was reached, as written on the command line.
struct Limit {
  std::string given, raised;
};

/// `used`: how much of it the run has done, which is more than a limit that was lowered.
Limit limit_of(const char* key, uint64_t value, uint64_t used) {
  return {fmt::format("--{} {}", key, exact_count(value)),
          fmt::format("--{} {}", key, exact_count(2 * std::max(value, used)))};
}

/// The user gave a time instead of the steps that a budget has decided, unless a resume has raised them.
Limit step_limit(const RunSummary& s, const TrainerOptions& trainer) {
  Limit limit = limit_of("steps", trainer.max_steps, s.last_step);
  if (trainer.budget.decides(trainer.max_steps))
    limit.given = "--budget " + exact_duration(trainer.budget.time);
  return limit;
}

std::vector<Limit> reached_limits(const RunSummary& s, const RunConfiguration& c) {
  std::vector<Limit> limits;
  if (s.limits.steps) limits.push_back(step_limit(s, c.trainer));
  if (s.limits.tokens) limits.push_back(limit_of("tokens", c.trainer.max_tokens, s.run.tokens));
  if (s.reason == EndReason::kStreamEnd && c.epochs > 0)
    limits.push_back(limit_of("epochs", c.epochs, s.run.epoch));
  return limits;
}

std::string joined(const std::vector<Limit>& limits, std::string Limit::*text, std::string_view separator) {
  std::string all;
  for (const Limit& limit : limits) {
    if (!all.empty()) all += separator;
    all += limit.*text;
  }
  return all;
}

/// Beside the run, whose path may end in a slash.
Path unused_folder(const Path& given) {
  const Path state_folder = given.has_filename() ? given : given.parent_path();
  for (int n = 1;; ++n) {
    Path path = state_folder.native() + fmt::format("-branch{}", n == 1 ? "" : std::to_string(n));
    if (!folder_exists(path) && !file_exists(path)) return path;
  }
}

}  // namespace

std::string nothing_to_do(const RunSummary& s, const RunConfiguration& c) {
  const std::vector<Limit> limits = reached_limits(s, c);
  if (s.last_step != s.first_step || s.reason == EndReason::kStopped || limits.empty()) return "";
  return fmt::format("nothing to do: {} {} reached; add {} (0: no limit)",
                     joined(limits, &Limit::given, " and "), limits.size() == 1 ? "is" : "are",
                     joined(limits, &Limit::raised, " "));
}

std::string reason_of_end(const RunSummary& s, const RunConfiguration& c) {
  if (s.reason == EndReason::kStopped) return "stopped on request";
  if (s.reason == EndReason::kStreamEnd)
    return fmt::format("all epochs done (--epochs {})", exact_count(c.epochs));
  std::vector<Limit> limits = reached_limits(s, c);
  if (s.limits.time) limits.push_back({"--time " + exact_duration(c.trainer.max_time), ""});
  return fmt::format("limit reached ({})", joined(limits, &Limit::given, ", "));
}

std::string raised_limits(const RunSummary& s, const RunConfiguration& c) {
  const std::string limits = joined(reached_limits(s, c), &Limit::raised, " ");
  if (limits.empty()) return "";
  // Otherwise the steps to come would have the rate at which the schedule has ended.
  const Schedule& schedule = c.trainer.schedule;
  const bool has_ended = schedule.has_end() && s.last_step >= schedule.total_steps;
  return " " + limits + (has_ended ? fmt::format(" --schedule-steps {}", 2 * s.last_step) : "");
}

std::string command_to_continue(const RunConfiguration& c, const std::string& limits) {
  const std::string alone = resume_command(c.state_folder) + limits;
  if (c.machines.fabric != FabricKind::kMpi) return alone;
  return alone + " --fabric mpi (by mpirun or srun; without --fabric mpi on one machine)";
}

std::string ways_on(const Diverged::Facts& facts, const RunConfiguration& c) {
  const std::string state = shell_word(c.state_folder.string());
  std::string text = fmt::format("to skip these batches: pretrain resume --state {} --skip-steps {}-{}",
                                 state, facts.first_step, facts.last_step);
  if (!facts.checkpoint_step) return text;
  return text +
         fmt::format(
             "; to continue from step {} with half of the learning rate: pretrain branch --checkpoint {} "
             "--state {} --learning-rate {:.6g}",
             *facts.checkpoint_step,
             shell_word(
                 (checkpoints_folder(c.state_folder) / checkpoint_name(*facts.checkpoint_step)).string()),
             shell_word(unused_folder(c.state_folder).string()), c.trainer.schedule.peak / 2);
}

std::vector<std::string> record_losses(const LostRecords& lost) {
  std::vector<std::string> losses;
  const auto add = [&](const char* file, uint64_t records) {
    if (records == 0) return;
    losses.push_back(fmt::format("{} lacks {} of this session, which could not be written", file,
                                 format_counted(records, "record")));
  };
  add("metrics.jsonl", lost.in_metrics);
  add("events.jsonl", lost.in_events);
  return losses;
}

void report_losses(const RunSummary& s) {
  if (s.ended_amid_bad_steps && s.saved_step) {
    log_warning(
        "steps {} to {} were not finite; the checkpoint is of step {}, before them, and a resume repeats "
        "them",
        format_count(*s.saved_step + 1), format_count(s.last_step), format_count(*s.saved_step));
  }
  if (s.run.skipped_steps > 0)
    log_info("skipped on request: {}", format_counted(s.run.skipped_steps, "step"));
  for (const std::string& loss : record_losses(s.run.lost_records)) log_warning("{}", loss);
  if (s.source.unwritten_skips > 0) {
    log_warning("skipped.jsonl lacks {} of this session, which could not be written",
                format_counted(s.source.unwritten_skips, "place"));
  }
}

}  // namespace pretrain
