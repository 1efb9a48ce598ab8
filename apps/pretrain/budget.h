// SPDX-License-Identifier: Apache-2.0
#pragma once
// --budget: a new run takes the first of the runs that `pretrain plan` would show, records the choice, and fixes its
// steps while it trains (libs/train/time_budget.h).

#include <chrono>
#include <string>

#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/run_keys.h"
#include "apps/pretrain/run_plan.h"
#include "apps/pretrain/session_request.h"
#include "libs/base/stop.h"

namespace pretrain {

/// Not an option: what the plan chose and predicted, as JSON in a text, stored with the run.
constexpr const char* kBudgetPlan = "budget-plan";

/// Whether the options ask for a budget.
bool has_budget(const KeyValues& given);

/// Refuses a budget that no run can have.
/// Errors: kUsage, naming `option`.
void check_budget(std::string_view option, std::chrono::milliseconds time);

/// The options of a new run with a budget: the given ones with those of the plan. Measures the machine and counts the
/// corpus.
/// Errors: kUsage when an option is given that the plan decides, naming it, or when no run fits; as survey().
KeyValues with_plan(const KeyValues& given, const StopSignal& stop);

/// Does this for a request that starts a new run in the folder, or replaces one that was not trained yet.
/// Errors: as with_plan().
void plan_if_new(SessionRequest& request, const Path& state, const StopSignal& stop);

/// Reads the record of the plan from the values of a run into its budget. Nothing for a run
/// without one.
/// Errors: kData when the record is damaged.
void read_budget(const KeyValues& values, RunConfiguration& config);

/// Writes the steps into the values of a run, as fixed.
void fix_budget_steps(KeyValues& values, const FixedSteps& fixed);

/// Refuses to change the steps of a run whose budget is open.
/// Errors: kUsage, naming the option.
void check_budget_changes(const KeyValues& saved, const KeyValues& given);

/// Makes a branch a run without a budget, whose steps are those of its parent.
void drop_budget(KeyValues& values);

}  // namespace pretrain
