// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/budget.h"

#include <algorithm>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/plan_survey.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/checkpoint/store.h"
#include "libs/model/parameters.h"

namespace pretrain {
namespace {

constexpr const char* kBudget = "budget";

bool is_given(const KeyValues& values, std::string_view key) {
  const auto found = values.find(std::string(key));
  return found != values.end() && !found->second.empty();
}

void refuse_contradictions(const KeyValues& given) {
  for (const std::string_view option : planned_options()) {
    if (!is_given(given, option)) continue;
    fail(ErrorKind::kUsage,
         "--{} contradicts --budget, which decides it; leave one of them out (--budget 0s: also that of a "
         "configuration file), or change the command of a run that pretrain plan shows",
         option);
  }
}

nlohmann::json record_of(const PlannedRun& run) {
  return {{"steps", run.steps},
          {"most_steps", run.most_steps},
          {"bits_per_byte", run.predicted.bits_per_byte},
          {"uncertainty", run.predicted.uncertainty},
          {"seconds", run.seconds},
          {"tokens_per_second", run.tokens_per_second},
          {"is_fixed", false}};
}

nlohmann::json plan_in(const KeyValues& values) {
  const auto found = values.find(kBudgetPlan);
  if (found == values.end() || found->second.empty()) return nullptr;
  return parse_json(found->second);
}

void tell(const PlannedRun& run, double seconds) {
  log_info("plan: {}, {} steps of {} x {} tokens in {}, {:.2f} epochs",
           format_counted(run.parameters, "parameter"), format_count(run.steps), run.batch, run.model.context,
           format_duration(std::chrono::seconds(static_cast<int64_t>(seconds))), run.epochs);
  log_info(
      "plan: {:.2f} bits per byte predicted, give or take {:.2f} (of English Wikipedia; other text has others)",
      run.predicted.bits_per_byte, run.predicted.uncertainty);
}

/// What the plan decides for a run with this evaluation: text that is held out for none would be wasted.
KeyValues options_for(const PlannedRun& run, const RunConfiguration& config) {
  KeyValues options = options_of(run);
  if (config.validation_tokens == 0 || config.validation_corpus) options.erase("validation-fraction");
  if (config.validation_tokens == 0) options.erase("evaluate-every");
  return options;
}

}  // namespace

bool has_budget(const KeyValues& given) {
  return is_given(given, kBudget) && read_duration(given.at(kBudget)).count() > 0;
}

void check_budget(std::string_view option, std::chrono::milliseconds time) {
  constexpr std::chrono::hours kMost(24 * 366);
  if (time > std::chrono::milliseconds(0) && time <= kMost) return;
  fail(ErrorKind::kUsage, "--{} must be a time between 1ms and {} days (got {})", option, kMost.count() / 24,
       exact_duration(time));
}

KeyValues with_plan(const KeyValues& given, const StopSignal& stop) {
  refuse_contradictions(given);
  const std::chrono::milliseconds time = read_duration(given.at(kBudget));
  check_budget(kBudget, time);
  KeyValues plain = given;
  plain.erase(kBudget);
  const RunConfiguration config = to_configuration(resolve(plain));
  PlanFacts facts = survey(config, {}, stop);
  facts.seconds = std::chrono::duration<double>(time).count();
  facts.machines = static_cast<int>(std::max(1U, config.machines.least));
  const PlannedRun best = plan_runs(facts).front();
  tell(best, best.seconds);
  KeyValues values = given;
  for (const auto& [key, text] : options_for(best, config)) values.try_emplace(key, text);
  values["schedule-steps"] = std::to_string(best.steps);
  values[kBudgetPlan] = record_of(best).dump();
  return values;
}

void plan_if_new(SessionRequest& request, const Path& state, const StopSignal& stop) {
  if (!has_budget(request.given) || request.must_resume || request.branch) return;
  if (list_checkpoints(state).empty() || is_untrained(state)) request.given = with_plan(request.given, stop);
}

void read_budget(const KeyValues& values, RunConfiguration& config) {
  TimeBudget& budget = config.trainer.budget;
  if (!budget.given()) return;
  const nlohmann::json json = plan_in(values);
  const JsonField plan(json, "budget-plan in the manifest", "use an older checkpoint");
  budget.most_steps = plan.at("most_steps").count();
  budget.is_fixed = json.value("is_fixed", false);
  budget.steps = plan.at("steps").count();
  budget.bits_per_byte = plan.at("bits_per_byte").number();
  budget.uncertainty = plan.at("uncertainty").number();
}

void fix_budget_steps(KeyValues& values, const FixedSteps& fixed) {
  nlohmann::json plan = plan_in(values);
  plan["is_fixed"] = true;
  plan["steps"] = fixed.steps;
  values[kBudgetPlan] = plan.dump();
  values["steps"] = values["schedule-steps"] = std::to_string(fixed.steps);
  values["warmup"] = std::to_string(fixed.warmup);
}

void check_budget_changes(const KeyValues& saved, const KeyValues& given) {
  if (!has_budget(saved)) return;
  const nlohmann::json plan = plan_in(saved);
  if (!plan.is_object() || plan.value("is_fixed", false)) return;
  for (const char* option : {"steps", "schedule-steps", "tokens", "epochs"}) {
    const auto before = saved.find(option);
    if (!is_given(given, option) || (before != saved.end() && same_value(before->second, given.at(option))))
      continue;
    fail(
        ErrorKind::kUsage,
        "--{} contradicts --budget {}, by which this run will fix its steps; leave it out, or make a run of its "
        "own with pretrain branch",
        option, saved.at(kBudget));
  }
}

void drop_budget(KeyValues& values) {
  values[kBudget] = "0s";
  values.erase(kBudgetPlan);
}

}  // namespace pretrain
