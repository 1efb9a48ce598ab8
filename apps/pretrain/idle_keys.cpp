// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/idle_keys.h"

#include <string>
#include <vector>

#include "apps/pretrain/configuration.h"
#include "libs/base/error.h"
#include "libs/base/log.h"

namespace pretrain {
namespace {

using Run = RunConfiguration;

bool has_tokenizer(const Run& c) {
  return !c.tokenizer_file.empty();
}
bool has_initial_model(const Run& c) {
  return !c.initial_model.empty();
}
bool keeps_duplicates(const Run& c) {
  return c.deduplication.mode == Deduplication::kOff;
}
bool is_constant(const Run& c) {
  return c.trainer.schedule.kind == ScheduleKind::kConstant;
}
bool is_not_wsd(const Run& c) {
  return c.trainer.schedule.kind != ScheduleKind::kWsd;
}
bool is_no_cooldown(const Run& c) {
  return c.trainer.schedule.kind != ScheduleKind::kCooldown;
}
bool is_without_cooldown(const Run& c) {
  return is_not_wsd(c) && is_no_cooldown(c);
}
bool is_not_muon(const Run& c) {
  return c.trainer.optimizer.kind != OptimizerKind::kMuon;
}
bool chooses_beta2(const Run& c) {
  return c.beta2_half_life_tokens > 0;
}
bool evaluates_no_tokens(const Run& c) {
  return c.validation_tokens == 0;
}
bool holds_out_nothing(const Run& c) {
  return c.validation_tokens > 0 && c.validation_inputs.empty() && c.corpus.validation_fraction == 0;
}
bool writes_no_samples(const Run& c) {
  return c.sample_tokens == 0;
}
bool listens_nowhere(const Run& c) {
  return c.machines.address.host.empty();
}

bool is_in_a_job(const Run& c) {
  return c.machines.fabric == FabricKind::kMpi;
}
bool is_alone(const Run& c) {
  return listens_nowhere(c) && !is_in_a_job(c);
}

constexpr std::string_view kOwnVocabulary = "with --tokenizer, which brings its own vocabulary";
constexpr std::string_view kModelsVocabulary = "with --init-from, which brings its own vocabulary";
constexpr std::string_view kNoMuon = "without --optimizer muon";
constexpr std::string_view kMuon = "--optimizer muon";
constexpr std::string_view kNoSamples = "with --sample-tokens 0, which writes no samples";
constexpr std::string_view kNoListening = "without --listen";

constexpr IdleOption<Run> kIdleKeys[] = {
    {"vocab", has_tokenizer, kOwnVocabulary},
    {"vocab", has_initial_model, kModelsVocabulary},
    {"tokenizer-type", has_tokenizer, kOwnVocabulary},
    {"tokenizer-type", has_initial_model, kModelsVocabulary},
    {"allow-normalization", has_initial_model, "with --init-from, whose pieces fit its tokenizer alone"},
    {"deduplicate-documents", keeps_duplicates, "without --deduplicate", "--deduplicate"},
    {"schedule-steps", is_constant, "with --schedule constant, which has no end", "another --schedule"},
    {"cooldown-share", is_not_wsd, "without --schedule wsd", "--schedule wsd"},
    {"cooldown-start", is_no_cooldown, "without --schedule cooldown", "--schedule cooldown"},
    {"cooldown-shape", is_without_cooldown, "without --schedule wsd or cooldown", "one of them"},
    {"muon-momentum", is_not_muon, kNoMuon, kMuon},
    {"muon-warmup", is_not_muon, kNoMuon, kMuon},
    {"muon-neuron-decay", is_not_muon, kNoMuon, kMuon},
    {"beta2", chooses_beta2, "with --beta2-half-life, which chooses it"},
    {"output-start", has_initial_model, "with --init-from, which brings all weights"},
    {"validation-corpus", evaluates_no_tokens, "with --validation-tokens 0"},
    {"evaluate-every", evaluates_no_tokens, "with --validation-tokens 0"},
    {"evaluate-every", holds_out_nothing, "with --validation-fraction 0, which holds out no text",
     "--validation-corpus"},
    {"sample-every", writes_no_samples, kNoSamples},
    {"sample-prompt", writes_no_samples, kNoSamples},
    {"secret-file", listens_nowhere, kNoListening, "--listen"},
    {"peer-timeout", is_alone, kNoListening, "--listen"},
    {"machines", is_in_a_job, "with --fabric mpi, whose job decides that"},
};

/// The members that the values of all keys set.
Run read_values(const KeyValues& values) {
  Run run;
  for (const Option<Run>& option : run_options()) {
    const auto found = values.find(std::string(option.info.name));
    if (found == values.end() || found->second.empty()) continue;
    const bool is_list = option.value.shape.is_list;
    const auto texts = is_list ? split_list(found->second) : std::vector<std::string>{found->second};
    option.value.set(run, texts);
  }
  return run;
}

/// The value that there would be if the key were not given.
std::vector<std::string> value_without(const Option<Run>& option, const KeyValues& given,
                                       const KeyValues* saved) {
  if (saved != nullptr) return option.value.get(read_values(complete(*saved)));
  KeyValues rest = given;
  rest.erase(std::string(option.info.name));
  return option.value.get(read_values(resolve(rest)));
}

/// The rows of given keys that have no effect. A value that there would be anyway is none that the user relies on.
std::vector<const IdleOption<Run>*> find_idle_keys(const KeyValues& given, const KeyValues& values,
                                                   const KeyValues* saved, KeyKind kind) {
  const Run run = read_values(values);
  std::vector<const IdleOption<Run>*> found;
  for (const IdleOption<Run>& row : kIdleKeys) {
    const auto key = given.find(std::string(row.name));
    if (key == given.end() || key->second.empty() || !row.is_idle(run)) continue;
    const Option<Run>& option = *find_run_option(row.name);
    const bool relies = option.value.get(run) != value_without(option, given, saved);
    if (option.info.kind == kind && relies) found.push_back(&row);
  }
  return found;
}

}  // namespace

std::span<const IdleOption<RunConfiguration>> idle_keys() {
  return kIdleKeys;
}

void refuse_idle_keys(const KeyValues& given, const KeyValues& values, const KeyValues* saved) {
  for (const auto* row : find_idle_keys(given, values, saved, KeyKind::kFixed))
    fail(ErrorKind::kUsage, "{}", describe_idle(*row));
}

void report_idle_keys(const KeyValues& given, const KeyValues& values, const KeyValues* saved) {
  for (const auto* row : find_idle_keys(given, values, saved, KeyKind::kChangeable))
    log_warning("{}", describe_idle(*row));
}

}  // namespace pretrain
