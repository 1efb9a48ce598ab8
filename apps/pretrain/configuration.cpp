// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/configuration.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <tuple>

#include "apps/pretrain/ini.h"
#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/base/number.h"
#include "libs/base/quantity.h"
#include "libs/base/rng.h"
#include "libs/base/text.h"
#include "libs/model/architecture.h"
#include "libs/train/slot_plan.h"

namespace pretrain {
namespace {

void apply_preset(RunConfiguration& c, const Preset& preset) {
  const bool characters = preset.vocabulary == 0;
  // Most languages have far fewer characters; the limit only matters for those with very many.
  constexpr uint32_t kCharacters = 8000;
  c.model.architecture = model_config(preset, 0).architecture;
  c.model.layers = preset.layers;
  c.model.d_model = preset.d_model;
  c.model.heads = preset.heads;
  c.model.d_ff = preset.d_ff;
  c.model.context = preset.context;
  c.batch = preset.batch;
  c.trainer.schedule.peak = preset.learning_rate;
  c.corpus.validation_fraction = preset.validation_fraction;
  c.vocabulary.type = characters ? TokenizerType::kChar : TokenizerType::kBpe;
  c.vocabulary.pieces = characters ? kCharacters : static_cast<uint32_t>(preset.vocabulary);
}

/// The heads of a preset go with its architecture, width and number of heads; others have their own defaults.
void apply_heads(RunConfiguration& c, const Preset& preset) {
  const ModelConfig model = model_config(preset, 0);
  if (c.model.architecture != model.architecture || c.model.heads != model.heads) return;
  if (c.model.kv_heads == 0) c.model.kv_heads = model.kv_heads;
  if (c.model.head_channels == 0 && c.model.d_model == model.d_model)
    c.model.head_channels = model.head_channels;
}

void set_value(RunConfiguration& c, const Option<RunConfiguration>& option, const std::string& text) {
  std::vector<std::string> texts{text};
  if (option.value.shape.is_list) texts = split_list(text);
  try {
    option.value.set(c, texts);
  } catch (const Error& error) {
    fail(error.kind(), "--{} {}", option.info.name, error.what());
  }
}

std::string text_of(const Option<RunConfiguration>& option, const RunConfiguration& c) {
  const std::vector<std::string> texts = option.value.get(c);
  if (!option.value.shape.is_list && texts.size() == 1) return texts.front();
  return joined_list(texts);
}

/// The defaults, changed by the preset, then by the values. An empty value counts as not given.
RunConfiguration with_values(const KeyValues& values) {
  RunConfiguration c;
  const auto model = values.find("model");
  if (model != values.end() && !model->second.empty()) set_value(c, *find_run_option("model"), model->second);
  const Preset preset = *find_preset(c.preset);
  apply_preset(c, preset);
  for (const auto& option : run_options()) {
    const auto found = values.find(std::string(option.info.name));
    if (found != values.end() && !found->second.empty()) set_value(c, option, found->second);
  }
  apply_heads(c, preset);
  return c;
}

bool is_given(const KeyValues& values, const std::string& key) {
  const auto found = values.find(key);
  return found != values.end() && !found->second.empty();
}

/// Whether the run is evaluated on documents held out of its own corpus.
bool evaluates_own_corpus(const RunConfiguration& c) {
  return c.validation_inputs.empty() && c.validation_tokens > 0;
}

PrecisionChoice decided(PrecisionChoice choice) {
  if (choice != PrecisionChoice::kAuto) return choice;
  return fastest_precision() == Precision::kBf16 ? PrecisionChoice::kBf16 : PrecisionChoice::kFloat32;
}

double tokens_of_step(const RunConfiguration& c) {
  return static_cast<double>(c.batch * c.model.context * c.trainer.accumulate);
}

/// Steps that train so many tokens.
uint64_t steps_of(const RunConfiguration& c, double tokens) {
  return c.trainer.schedule.ramp.steps_for(tokens / static_cast<double>(c.batch * c.model.context));
}

/// Sets what the optimizer and the schedule learn from other keys.
void derive_optimizer(RunConfiguration& c) {
  OptimizerOptions& optimizer = c.trainer.optimizer;
  c.trainer.schedule.ramp.most = c.trainer.accumulate;
  optimizer.muon.head_size = c.model.head_size();
  if (c.beta2_half_life_tokens > 0) {
    optimizer.adamw.beta2 =
        beta2_of_half_life(tokens_of_step(c), static_cast<double>(c.beta2_half_life_tokens));
  }
  if (c.rate_tokens > 0)
    c.trainer.schedule.scale = rate_scale_of_batch(tokens_of_step(c), static_cast<double>(c.rate_tokens));
}

/// Sets the values that depend on other keys.
void derive(RunConfiguration& c) {
  complete_choices(c.model);
  const int cores = inspect_machine().cores;
  if (c.workers == 0) c.workers = std::min(cores, 4);
  if (c.threads == 0) c.threads = cores;
  c.corpus.seed = c.seed;
  c.corpus.state_folders = {c.state_folder};
  c.corpus.signatures = c.deduplication.mode != Deduplication::kOff;
  c.model.vocabulary = static_cast<int64_t>(c.vocabulary.pieces);
  c.trainer.precision =
      decided(c.precision) == PrecisionChoice::kBf16 ? Precision::kBf16 : Precision::kFloat32;
  derive_optimizer(c);
  c.trainer.micro_rows = micro_batch_rows(most_rows_at_once(c.batch, c.trainer.accumulate, c.trainer.slots),
                                          c.model.context, c.micro_batch_tokens);
  if (c.validation_inputs.empty()) return;
  c.validation_corpus = c.corpus;
  c.validation_corpus->inputs = c.validation_inputs;
  c.validation_corpus->validation_fraction = 0;
}

/// Alone, the option would do nothing.
void check_tokenizer(const RunConfiguration& c) {
  if (c.tokenizer_changes == TextChanges::kRefuse || !c.tokenizer_file.empty()) return;
  fail(ErrorKind::kUsage,
       "--allow-normalization is about the model of --tokenizer FILE, which is not given; a vocabulary that "
       "pretrain trains never changes text");
}

void check_ramp(const RunConfiguration& c) {
  if (c.trainer.schedule.ramp.steps == 0 || c.trainer.accumulate > 1) return;
  fail(
      ErrorKind::kUsage,
      "--batch-ramp lets a step grow from one batch to the batches of --accumulate, which are 1; raise --accumulate, "
      "or leave out --batch-ramp");
}

/// A slot without a sequence would be a machine without work.
void check_slots(const RunConfiguration& c) {
  const int64_t sequences = c.batch * c.trainer.batches_of(1);
  if (c.trainer.slots <= sequences) return;
  fail(
      ErrorKind::kUsage,
      "--slots {} is more than the {} of a step (--batch {} times --accumulate {}); use at most that many, or "
      "raise --accumulate",
      c.trainer.slots, format_counted(static_cast<uint64_t>(sequences), "sequence"), c.batch,
      c.trainer.batches_of(1));
}

/// Refuses a cooldown that would end before it starts. Every other schedule falls whenever it ends.
void check_cooldown(const Schedule& schedule) {
  const bool falls = schedule.total_steps == 0 || schedule.total_steps > schedule.cooldown_start;
  if (schedule.kind != ScheduleKind::kCooldown || falls) return;
  fail(ErrorKind::kUsage,
       "--schedule cooldown would end at step {}, but falls from step {} on; give a later end with --steps, "
       "--tokens or --schedule-steps, which include the parent's steps",
       schedule.total_steps, schedule.cooldown_start);
}

void check_schedule(const RunConfiguration& c) {
  const Schedule& schedule = c.trainer.schedule;
  const bool limited = c.trainer.max_steps > 0 || c.trainer.max_tokens > 0 || c.epochs > 0;
  if (schedule.kind == ScheduleKind::kCooldown && schedule.cooldown_start == 0) {
    fail(
        ErrorKind::kUsage,
        "--schedule cooldown starts at a checkpoint; use it in pretrain branch, add --cooldown-start STEP, or "
        "use --schedule wsd");
  }
  if (schedule.has_end() && !limited && schedule.total_steps == 0) {
    fail(ErrorKind::kUsage, "--schedule {} needs an end; add --steps, --tokens or --epochs",
         row_of(kSchedules, schedule.kind).name);
  }
  check_cooldown(schedule);
}

void check(RunConfiguration& c) {
  if (c.corpus.inputs.empty()) {
    fail(ErrorKind::kUsage,
         "--corpus is missing; give files or folders with text, for example pretrain --corpus /wiki");
  }
  validate(c.model);
  check_tokenizer(c);
  check_ramp(c);
  check_slots(c);
  complete_machines(c.machines, c.trainer.slots);
  check_schedule(c);
}

/// Older versions read a number without a unit as seconds, also the last number of "1h30".
std::string with_unit(std::string text) {
  if (!text.empty() && std::isdigit(static_cast<unsigned char>(text.back())) != 0) text += 's';
  return text;
}

bool keeps_value(const Option<RunConfiguration>& option, const RunConfiguration& saved,
                 const std::string& text) {
  RunConfiguration changed = saved;
  set_value(changed, option, text);
  return option.value.get(saved) == option.value.get(changed);
}

}  // namespace

KeyValues resolve(const KeyValues& given) {
  RunConfiguration c = with_values(given);
  c.precision = decided(c.precision);
  if (!is_given(given, "validation-fraction") && !evaluates_own_corpus(c)) c.corpus.validation_fraction = 0;
  KeyValues values;
  for (const auto& option : run_options()) values[std::string(option.info.name)] = text_of(option, c);
  return values;
}

RunConfiguration to_configuration(const KeyValues& values) {
  RunConfiguration c = with_values(values);
  c.state_folder = state_folder_of(values);
  derive(c);
  check(c);
  return c;
}

bool fix_schedule_end(RunConfiguration& c, KeyValues& values, uint64_t epoch_tokens) {
  TrainerOptions& t = c.trainer;
  if (!t.schedule.has_end() || t.schedule.total_steps > 0) return false;
  const double tokens = t.max_tokens > 0 ? static_cast<double>(t.max_tokens)
                                         : static_cast<double>(c.epochs) * static_cast<double>(epoch_tokens);
  t.schedule.total_steps = t.max_steps > 0 ? t.max_steps : steps_of(c, tokens);
  check_cooldown(t.schedule);
  values["schedule-steps"] = std::to_string(t.schedule.total_steps);
  return true;
}

Precision parse_precision(const std::string& text) {
  RunConfiguration c;
  set_value(c, *find_run_option("precision"), text);
  return decided(c.precision) == PrecisionChoice::kBf16 ? Precision::kBf16 : Precision::kFloat32;
}

namespace {

/// The folder of a service, which systemd gives as an absolute path, and several of them separated by colons.
Path service_folder(const Path& folder) {
  if (folder.native().find(':') != std::string::npos)
    fail(ErrorKind::kUsage, "STATE_DIRECTORY names several folders ({}); choose one with --state",
         folder.native());
  if (!folder.is_absolute())
    fail(ErrorKind::kUsage, "STATE_DIRECTORY must be an absolute path (got {}); or use --state DIR",
         folder.native());
  return folder;
}

}  // namespace

Path state_folder_of(const KeyValues& given) {
  const auto set = [](const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr && *value != '\0' ? std::optional<Path>(value) : std::nullopt;
  };
  const auto found = given.find("state");
  if (found != given.end() && !found->second.empty()) return std::filesystem::absolute(found->second);
  if (const auto folder = set("STATE_DIRECTORY")) return service_folder(*folder);
  // Source: XDG Base Directory Specification: a relative path is ignored.
  if (const auto base = set("XDG_STATE_HOME"); base && base->is_absolute()) return *base / "pretrain";
  const auto home = set("HOME");
  if (home && home->is_absolute()) return *home / ".local/state/pretrain";
  fail(ErrorKind::kUsage, "there is no default state folder because HOME is {}; use --state DIR",
       home ? "a relative path" : "not set");
}

std::string model_name(const RunConfiguration& c) {
  const ModelConfig preset = model_config(*find_preset(c.preset), 0);
  const auto shape = [](const ModelConfig& m) {
    return std::tuple(m.architecture, m.layers, m.d_model, m.heads, m.d_ff);
  };
  if (shape(c.model) == shape(preset)) return c.preset;
  return fmt::format("{} {} x {}", c.model.architecture->name, c.model.layers, c.model.d_model);
}

nlohmann::json to_json(const KeyValues& resolved) {
  return resolved;
}

namespace {

KeyValues texts_in(const nlohmann::json& json) {
  KeyValues values;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) {
      fail(ErrorKind::kData,
           "the manifest's configuration is damaged ('{}' is not a text); use an older checkpoint",
           printable(key.substr(0, 80)));
    }
    const auto* option = find_run_option(key);
    const bool is_time = option != nullptr && option->value.shape.placeholder == "TIME";
    values[key] = is_time ? with_unit(value.get<std::string>()) : value.get<std::string>();
  }
  return values;
}

RunConfiguration typed(const KeyValues& saved) {
  try {
    RunConfiguration c = with_values(complete(saved));
    c.model.vocabulary = static_cast<int64_t>(c.vocabulary.pieces);
    complete_choices(c.model);
    validate(c.model);
    return c;
  } catch (const Error& error) {
    fail(ErrorKind::kData, "the configuration in the manifest: {}; use an older checkpoint",
         printable(error.what()));
  }
}

}  // namespace

KeyValues from_json(const nlohmann::json& json) {
  KeyValues values = texts_in(json);
  typed(values);
  return values;
}

RunConfiguration configuration_in(const nlohmann::json& json) {
  RunConfiguration c = typed(texts_in(json));
  derive_optimizer(c);  // whose state has shapes that depend on it
  return c;
}

AssemblerOptions assembler_options(const RunConfiguration& c, const Tokenizer& tokenizer) {
  // A fiftieth of the shuffle buffer mixes well enough to start with, and is filled within a second or two.
  constexpr uint64_t kStartShare = 50;
  const uint64_t start = std::max<uint64_t>(c.shuffle_buffer / kStartShare, static_cast<uint64_t>(c.batch));
  return {.rows = c.batch,
          .packing = c.packing,
          .end_of_text = tokenizer.end_of_text(),
          .epochs = c.epochs,
          .buffer = {.capacity = c.shuffle_buffer,
                     .minimum = std::min(c.shuffle_buffer, start),
                     .context = static_cast<uint32_t>(c.model.context),
                     .vocabulary = tokenizer.vocabulary_size(),
                     .seed = derive_seed(c.seed, 1)},
          .deduplication = c.deduplication};
}

std::string to_ini(const KeyValues& resolved) {
  std::string text =
      "# The configuration of this run. 'pretrain --config THIS_FILE --state NEW' starts another run like "
      "it.\n";
  std::string_view group;
  for (const auto& option : run_options()) {
    if (option.info.group != group) text += fmt::format("\n# {}\n", option.info.group);
    group = option.info.group;
    const auto found = resolved.find(std::string(option.info.name));
    const std::string joined = found == resolved.end() ? "" : found->second;
    if (joined.empty()) text += fmt::format("# {} =\n", option.info.name);
    if (joined.empty()) continue;
    const auto values = option.value.shape.is_list ? split_list(joined) : std::vector<std::string>{joined};
    for (const std::string& value : values)
      text += fmt::format("{} = {}\n", option.info.name, ini_value(value));
  }
  return text;
}

KeyValues complete(KeyValues saved) {
  saved["time"] = "0s";  // limits one session, not the run
  // The precision is decided when a run starts, so that resuming on another processor changes nothing. Runs
  // that still say "auto" were started by versions that only had f32.
  std::string& precision = saved.try_emplace("precision", "auto").first->second;
  if (precision == "auto") precision = precision_name(Precision::kFloat32);
  const RunConfiguration before = with_values(saved);
  for (const auto& option : run_options())
    saved.try_emplace(std::string(option.info.name), text_of(option, before));
  return saved;
}

namespace {

/// Applies the given values to the keys of `saved` that `may_change` accepts. Lists in `differences` each
/// other given value that differs from the saved one.
template <typename MayChange>
KeyValues merge(const KeyValues& saved, const KeyValues& given, MayChange may_change,
                std::string& differences) {
  KeyValues merged = complete(saved);
  const RunConfiguration before = with_values(merged);
  for (const auto& option : run_options()) {
    const std::string name(option.info.name);
    const auto found = given.find(name);
    if (found == given.end() || (name == "precision" && found->second == "auto")) continue;
    if (may_change(option.info)) {
      merged[name] = found->second;
    } else if (!keeps_value(option, before, found->second)) {
      differences += fmt::format("{}--{} {} (the run has {})", differences.empty() ? "" : ", ", name,
                                 found->second, merged[name].empty() ? "none" : merged[name]);
    }
  }
  return merged;
}

/// What joins the machines is asked for each time: what is saved about it gives way.
void choose_network(const KeyValues& given, KeyValues& merged) {
  const auto chosen = given.find("fabric");
  const bool by_mpi = chosen != given.end() && chosen->second == "mpi";
  const auto forget = [&](const std::string& key) {
    if (!given.contains(key)) merged[key] = text_of(*find_run_option(key), RunConfiguration());
  };
  if (by_mpi) {
    for (const char* key : {"listen", "machines", "copies"}) forget(key);
  } else {
    forget("fabric");
  }
}

}  // namespace

KeyValues merge_for_resume(const KeyValues& saved, const KeyValues& given) {
  std::string differences;
  KeyValues merged = merge(
      saved, given, [](const OptionInfo& key) { return key.kind == KeyKind::kChangeable; }, differences);
  if (!differences.empty()) {
    fail(ErrorKind::kUsage,
         "the run in the state folder has other values: {}; leave these options out or use another --state",
         differences);
  }
  choose_network(given, merged);
  return merged;
}

KeyValues merge_for_branch(const KeyValues& parent, const KeyValues& given) {
  std::string differences;
  KeyValues merged = merge(
      parent, given, [](const OptionInfo& key) { return may_change_in_branch(key.name); }, differences);
  if (!differences.empty()) {
    fail(ErrorKind::kUsage,
         "a branch keeps the model and the vocabulary of its parent: {}; leave these options out, or train "
         "another "
         "model",
         differences);
  }
  choose_network(given, merged);
  return merged;
}

/// "1e-3" and "0.001" are the same value. Integers are compared as integers, because a double can't
/// distinguish large seeds.
bool same_value(const std::string& a, const std::string& b) {
  const auto whole_a = parse_number<uint64_t>(a);
  const auto whole_b = parse_number<uint64_t>(b);
  if (whole_a && whole_b) return *whole_a == *whole_b;
  const auto number_a = parse_number<double>(a);
  const auto number_b = parse_number<double>(b);
  return a == b || (number_a && number_b && *number_a == *number_b);
}

}  // namespace pretrain
