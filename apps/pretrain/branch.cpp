// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/branch.h"

#include <algorithm>
#include <array>

#include "apps/pretrain/budget.h"
#include "apps/pretrain/idle_keys.h"
#include "apps/pretrain/initial_model.h"
#include "apps/pretrain/record_text.h"
#include "apps/pretrain/same_run.h"
#include "apps/pretrain/shell_text.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/base/log.h"
#include "libs/base/text.h"
#include "libs/base/units.h"
#include "libs/checkpoint/linked_place.h"
#include "libs/checkpoint/start_point.h"

namespace pretrain {
namespace {

/// Keys that determine the batches.
constexpr std::array kOfTheStream{
    "documents",      "text-key",  "namespaces",  "disambiguation",       "template-rules",
    "batch",          "packing",   "seed",        "validation-fraction",  "validation-corpus",
    "shuffle-buffer", "min-words", "deduplicate", "deduplicate-documents"};
/// More keys, which determine the text of the evaluation set.
constexpr std::array kOfTheEvaluation{"validation-tokens"};
/// Keys of a session rather than of the run.
constexpr std::array kOfTheSession{"state", "time"};

template <size_t N>
bool is_one_of(const std::array<const char*, N>& keys, const std::string& key) {
  return std::ranges::find(keys, key) != keys.end();
}

Checkpoint open_parent(const Path& path, const std::stop_token& stop) {
  if (!folder_exists(path)) {
    fail(ErrorKind::kData,
         "{}: no such folder; give a checkpoint (.../checkpoints/step-...) or the state folder of a run",
         path.native());
  }
  if (file_exists(path / kManifestName)) return verify_checkpoint(path, stop);
  const bool is_folder_of_checkpoints = path.filename() == "checkpoints" && list_checkpoints(path).empty();
  const Path run = is_folder_of_checkpoints ? path.parent_path() : path;
  StartPoint found = find_start_point(run, stop);
  for (const FailedCheckpoint& failed : found.failed)
    log_warning("checkpoint of step {} {}; looking for an older one", format_count(failed.step),
                failed.reason);
  if (!found.newest) refuse_bare_start(run);
  if (!found.newest)
    fail(ErrorKind::kData, "{} holds no checkpoint to start from{}", path.native(), note_on_empty_link(run));
  return std::move(*found.newest);
}

/// The parent's folder: the state folder of its run, or the checkpoint itself if it is a copy without a run.
Path home_of(const Checkpoint& checkpoint) {
  const Path above = checkpoint.folder.parent_path();
  return above.filename() == "checkpoints" ? above.parent_path() : checkpoint.folder;
}

bool lies_in(const Path& path, const Path& folder) {
  const Path inner = std::filesystem::weakly_canonical(path);
  const Path outer = std::filesystem::weakly_canonical(folder);
  return std::ranges::mismatch(outer, inner).in1 == outer.end();
}

void check_new_folder(const Path& state) {
  if (file_exists(state))
    fail(ErrorKind::kUsage, "--state must be a new folder (got the file {})", state.native());
  refuse_place_in_checkpoints(state);
  const std::string content = first_content(state);
  if (content.empty()) return;
  fail(ErrorKind::kUsage, "--state {} is not empty (it holds {}); a branch needs a new folder{}",
       state.native(), content,
       list_checkpoints(state).empty()
           ? ""
           : ", and a run is continued with " + command_on("pretrain resume", state));
}

void check_limits(const BranchPlan& plan) {
  const uint64_t most = plan.config.trainer.max_steps;
  if (plan.weights_only || most == 0 || plan.parent.step < most) return;
  fail(ErrorKind::kUsage,
       "--steps {} is reached at the checkpoint of step {}; --steps includes the parent's steps, so give the "
       "branch a larger one (0: no limit)",
       most, format_count(plan.parent.step));
}

/// The rate of a cooldown falls from the one that the parent had reached at the checkpoint.
void start_cooldown(BranchPlan& plan, const KeyValues& given, const Schedule& parent) {
  const uint64_t step = plan.parent.step;
  if (plan.weights_only) {
    fail(
        ErrorKind::kUsage,
        "--schedule cooldown continues the parent's rate, which --weights-only leaves behind; use --schedule "
        "linear");
  }
  if (step == 0 || step < parent.warmup_steps) {
    fail(
        ErrorKind::kUsage,
        "--schedule cooldown needs a checkpoint after the warmup of {} steps (got step {}); choose a later one",
        parent.warmup_steps, step);
  }
  if (!given.contains("cooldown-start")) plan.values["cooldown-start"] = std::to_string(step);
  const double rate = parent.at(step);
  if (!given.contains("learning-rate") && rate != parent.peak)
    plan.values["learning-rate"] = fmt::format("{}", rate);
}

/// The length of an epoch is not known here.
void fix_end(BranchPlan& plan) {
  const TrainerOptions& t = plan.config.trainer;
  if (t.schedule.has_end() && t.schedule.total_steps == 0 && t.max_steps == 0 && t.max_tokens == 0) {
    fail(ErrorKind::kUsage,
         "--schedule {} needs an end in a branch; add --steps, --tokens or --schedule-steps",
         row_of(kSchedules, t.schedule.kind).name);
  }
  plan.ends_anew = fix_schedule_end(plan.config, plan.values, 0);
}

/// A schedule that the parent did not have gets an end of its own.
void plan_schedule(BranchPlan& plan, const KeyValues& given) {
  const auto kind = given.find("schedule");
  if (kind == given.end()) return;
  const Schedule parent = configuration_in(plan.parent.manifest.configuration).trainer.schedule;
  const bool is_cooldown = kind->second == row_of(kSchedules, ScheduleKind::kCooldown).name;
  const bool is_new = is_cooldown || kind->second != row_of(kSchedules, parent.kind).name;
  if (is_new && !given.contains("schedule-steps")) plan.values["schedule-steps"] = "";
  if (is_cooldown) start_cooldown(plan, given, parent);
}

bool differs(const KeyValues& a, const KeyValues& b, const std::string& key) {
  return !same_value(a.at(key), b.at(key));
}

/// The hash at the start of a manifest.
std::string manifest_hash(const Path& folder) {
  return read_json(folder / kManifestName, Links::kRefuse).at("manifest_hash").get<std::string>();
}

nlohmann::json changed_of(const nlohmann::json& parent) {
  const auto found = parent.find("changed");
  return found != parent.end() && found->is_object() ? *found : nlohmann::json::object();
}

std::string_view what_was_taken(const nlohmann::json& parent) {
  if (shown_value(parent, "weights_only") == "true") return "the weights only";
  if (shown_value(parent, "optimizer") == "anew") return "weights and step count";
  return "weights, optimizer state and step count";
}

}  // namespace

nlohmann::json BranchPlan::record() const {
  nlohmann::json changed = nlohmann::json::object();
  const KeyValues before = complete(from_json(parent.manifest.configuration));
  for (const auto& [key, value] : values) {
    if (is_one_of(kOfTheSession, key) || !before.contains(key) || !differs(before, values, key)) continue;
    changed[key] = {{"from", before.at(key)}, {"to", value}};
  }
  return {{"path", std::filesystem::canonical(parent.folder).native()},
          {"step", parent.step},
          {"manifest_hash", manifest_hash(parent.folder)},
          {"weights_only", weights_only},
          {"optimizer", keeps_optimizer ? "continued" : "anew"},
          {"stream", keeps_stream() ? "continued" : "anew"},
          {"changed", changed}};
}

BranchPlan plan_branch(const SessionRequest& request, const Path& state, const std::stop_token& stop) {
  check_new_folder(state);
  BranchPlan plan{.parent = open_parent(request.branch->checkpoint, stop),
                  .values = {},
                  .config = {},
                  .weights_only = request.branch->weights_only};
  if (lies_in(state, home_of(plan.parent))) {
    fail(ErrorKind::kUsage,
         "--state {} is inside the parent's folder {}, which a branch must not modify; use another folder",
         state.native(), home_of(plan.parent).native());
  }
  const KeyValues before = complete(from_json(plan.parent.manifest.configuration));
  plan.values = merge_for_branch(before, without_same_tokenizer(request.given, plan.parent));
  plan.values["state"] = state.string();
  if (has_budget(request.given)) {
    fail(ErrorKind::kUsage,
         "--budget is for a new run; end a branch with --steps, for example with --schedule cooldown");
  }
  if (has_budget(before)) drop_budget(plan.values);
  plan_schedule(plan, request.given);
  plan.config = to_configuration(plan.values);
  check_limits(plan);
  refuse_idle_keys(request.given, plan.values, &before);
  report_idle_keys(request.given, plan.values, &before);
  fix_end(plan);
  plan.keeps_optimizer = !plan.weights_only && !differs(before, plan.values, "optimizer");
  for (const char* key : kOfTheStream) {
    if (differs(before, plan.values, key)) plan.anew.emplace_back(key);
  }
  if (corpus_kind(plan.config, plan.parent, stop) == CorpusKind::kAnother) plan.anew.emplace_back("corpus");
  plan.keeps_evaluation_set =
      plan.anew.empty() && std::ranges::none_of(kOfTheEvaluation, [&](const char* key) {
        return differs(before, plan.values, key);
      });
  return plan;
}

Path evaluation_file_of(const Checkpoint& checkpoint) {
  return evaluation_file(home_of(checkpoint));
}

std::string with_command_of_branch(std::string ini, const nlohmann::json& parent) {
  constexpr std::string_view kOfARun = "pretrain --config THIS_FILE --state NEW";
  const bool is_branch = !parent.empty() && describe_initial_model(parent).empty();
  const size_t at = ini.find(kOfARun);
  if (!is_branch || at == std::string::npos) return ini;
  const std::string command =
      fmt::format("pretrain branch --checkpoint {}{} --config THIS_FILE --state NEW",
                  shell_word(shown_value(parent, "path")),
                  shown_value(parent, "weights_only") == "true" ? " --weights-only" : "");
  return ini.replace(at, kOfARun.size(), command);
}

std::string describe_parent(const nlohmann::json& parent) {
  if (parent.empty()) return "";
  if (std::string text = describe_initial_model(parent); !text.empty()) return text;
  std::string text = fmt::format(
      "branch of {}, step {} (manifest {})\n  took {}; text {}\n", shown_value(parent, "path"),
      shown_value(parent, "step"), shown_value(parent, "manifest_hash"), what_was_taken(parent),
      shown_value(parent, "stream") == "anew" ? "from the beginning" : shown_value(parent, "stream"));
  const nlohmann::json changed = changed_of(parent);
  for (const auto& [key, change] : changed.items()) {
    text += fmt::format("  {}: {} instead of {}\n", printable(key), shown_value(change, "to"),
                        shown_value(change, "from"));
  }
  return text;
}

}  // namespace pretrain
