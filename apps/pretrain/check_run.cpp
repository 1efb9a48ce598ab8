// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/check_run.h"

#include <optional>

#include "apps/pretrain/branch.h"
#include "apps/pretrain/budget.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/head_of_run.h"
#include "apps/pretrain/idle_keys.h"
#include "apps/pretrain/idle_reading.h"
#include "apps/pretrain/initial_model.h"
#include "apps/pretrain/metrics_file.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/report.h"
#include "apps/pretrain/same_run.h"
#include "apps/pretrain/session_start.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/checkpoint/linked_place.h"
#include "pipeline/corpus/scan.h"

namespace pretrain {
namespace {

/// What would start, and from which step. The vocabulary is that of the checkpoint, if there is one.
struct Beginning {
  RunConfiguration config;
  std::optional<uint64_t> step;  ///< nothing for a new run
  const char* branch = "";       ///< what the step means for a branch
};

RunConfiguration continued(const Checkpoint& checkpoint, const Path& state, const KeyValues& asked,
                           const std::stop_token& stop) {
  KeyValues given = without_same_tokenizer(asked, checkpoint);
  take_moved_validation_corpus(given, checkpoint);
  const KeyValues saved = from_json(checkpoint.manifest.configuration);
  KeyValues values = merge_for_resume(saved, given);
  refuse_idle_keys(given, values, &saved);
  values["state"] = state.string();
  RunConfiguration config = to_configuration(values);
  check_corpus(config, checkpoint, stop);
  report_idle_keys(given, values, &saved);
  config.model.vocabulary = tokenizer_of(checkpoint).vocabulary_size();
  return config;
}

RunConfiguration new_configuration(const KeyValues& given) {
  const std::optional<ModelOutline> model = open_initial_model(given);
  const KeyValues values = resolve_new(given, model ? &*model : nullptr);
  RunConfiguration config = to_configuration(values);
  report_idle_keys(given, values);
  if (model) config.model.vocabulary = model->config.vocabulary;
  return config;
}

Beginning beginning_of(const SessionRequest& request, const Path& state, const std::stop_token& stop) {
  if (request.branch) {
    BranchPlan plan = plan_branch(request, state, stop);
    plan.config.model.vocabulary = tokenizer_of(plan.parent).vocabulary_size();
    return {.config = plan.config,
            .step = plan.parent.step,
            .branch = plan.weights_only ? "with the weights of step" : "from step"};
  }
  check_request(state, request);
  const SessionStart start = look_for_start(state, request, stop);
  if (!start.checkpoint) return {.config = new_configuration(request.given), .step = {}};
  try {
    return {.config = continued(*start.checkpoint, state, request.given, stop),
            .step = start.checkpoint->step};
  } catch (const Error& error) {
    // No step was trained yet, so a new run may replace this one.
    if (!start.untrained || request.must_resume || error.kind() != ErrorKind::kUsage) throw;
    return {.config = new_configuration(request.given), .step = {}};
  }
}

std::string end_at_once(const TrainerOptions& trainer, uint64_t step) {
  if (trainer.budget.is_open() || trainer.max_steps == 0 || step < trainer.max_steps) return "";
  return fmt::format(", and end there, because --steps {} is reached", exact_count(trainer.max_steps));
}

void look_at(const CorpusOptions& corpus, const std::stop_token& stop) {
  const Catalog catalog = scan_corpus(corpus, nullptr, {.stop = stop});
  report_corpus(catalog);
  report_idle_reading(corpus, catalog);
}

}  // namespace

void check_run(const SessionRequest& asked, StopSignal& stop) {
  const Path state = state_folder_of(asked.given);
  SessionRequest request = asked;
  require_linked_place(state);
  if (file_exists(state))
    fail(ErrorKind::kUsage, "--state must be a folder, which need not exist yet (got the file {})",
         state.string());
  plan_if_new(request, state, stop);
  const Beginning beginning = beginning_of(request, state, stop.token());
  RunConfiguration config = beginning.config;
  check_can_save(real_file_system(), state);
  check_machines(config);
  check_metrics_file(config.metrics_file);
  look_at(config.corpus, stop.token());
  if (config.validation_corpus) look_at(*config.validation_corpus, stop.token());
  if (!beginning.step && !config.tokenizer_file.empty() && config.initial_model.empty())
    config.model.vocabulary =
        open_tokenizer(config.tokenizer_file, config.tokenizer_changes).vocabulary_size();
  const ParameterLayout layout(config.model);
  report_model(config, layout);
  check_resources(config, layout, inspect_machine());
  if (request.branch) {
    log_info("check passed: a branch would start in {} {} {}", state.string(), beginning.branch,
             format_count(*beginning.step));
  } else if (beginning.step) {
    log_info("check passed: the run in {} would continue from step {}{}", state.string(),
             format_count(*beginning.step), end_at_once(config.trainer, *beginning.step));
  } else {
    log_info("check passed: a new run would start in {}", state.string());
  }
}

}  // namespace pretrain
