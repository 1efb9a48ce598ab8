#include "apps/pretrain/configuration.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <sstream>

#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

const std::string& value_of(const KeyValues& values, const std::string& key) {
  const auto found = values.find(key);
  if (found == values.end()) fail(ErrorKind::kUsage, "--{} is missing", key);
  return found->second;
}

uint64_t integer(const KeyValues& values, const std::string& key, uint64_t least, uint64_t most) {
  const std::string& text = value_of(values, key);
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() || value < least || value > most) {
    fail(ErrorKind::kUsage, "--{} {}: a whole number from {} to {} is needed", key, text, least, most);
  }
  return value;
}

double number(const KeyValues& values, const std::string& key, double least, double most) {
  const std::string& text = value_of(values, key);
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() ||
      !(value >= least && value <= most)) {
    fail(ErrorKind::kUsage, "--{} {}: a number from {} to {} is needed", key, text, least, most);
  }
  return value;
}

template <typename T>
T choice(const KeyValues& values, const std::string& key,
         std::initializer_list<std::pair<std::string_view, T>> choices) {
  const std::string& text = value_of(values, key);
  std::string names;
  for (const auto& [name, value] : choices) {
    if (name == text) return value;
    if (!names.empty()) names += " or ";
    names += name;
  }
  fail(ErrorKind::kUsage, "--{} {}: {} is needed", key, text, names);
}

std::vector<Path> paths_of(const std::string& joined) {
  std::vector<Path> paths;
  std::istringstream lines(joined);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) paths.emplace_back(line);
  }
  return paths;
}

/// Relative paths of the command line become absolute, so that a resume from another folder finds them.
void make_absolute(KeyValues& values, const char* key) {
  const auto found = values.find(key);
  if (found == values.end() || found->second.empty()) return;
  std::string all;
  for (const Path& path : paths_of(found->second)) {
    if (!all.empty()) all += '\n';
    all += std::filesystem::absolute(path).lexically_normal().string();
  }
  found->second = all;
}

void apply_preset(KeyValues& values, const Preset& preset) {
  const auto set = [&](const char* key, const auto& value) {
    values.try_emplace(key, fmt::format("{}", value));
  };
  set("layers", preset.layers);
  set("d-model", preset.d_model);
  set("heads", preset.heads);
  set("d-ff", preset.d_ff);
  set("context", preset.context);
  set("batch", preset.batch);
  set("learning-rate", preset.learning_rate);
  set("validation-fraction", preset.validation_fraction);
  const bool characters = preset.vocabulary == 0;
  set("tokenizer-type", characters ? "char" : "bpe");
  // Character sets are small; the limit only bounds languages with very many.
  set("vocab", characters ? 8000 : preset.vocabulary);
}

CorpusOptions corpus_options(const KeyValues& v, const std::string& key) {
  CorpusOptions options;
  options.inputs = paths_of(value_of(v, key));
  options.documents = parse_document_mode(value_of(v, "documents"));
  options.pages = parse_namespaces(value_of(v, "namespaces"));
  options.pages.disambiguation = parse_disambiguation(value_of(v, "disambiguation"));
  options.on_changed = parse_on_changed(value_of(v, "on-changed"));
  options.seed = integer(v, "seed", 0, std::numeric_limits<uint64_t>::max());
  options.validation_fraction = number(v, "validation-fraction", 0, 0.9);
  return options;
}

ModelConfig model_config(const KeyValues& v) {
  constexpr uint64_t kMost = 10'000'000;  // validate() has the real bounds
  ModelConfig model;
  model.architecture = value_of(v, "arch");
  model.layers = static_cast<int64_t>(integer(v, "layers", 1, kMost));
  model.d_model = static_cast<int64_t>(integer(v, "d-model", 1, kMost));
  model.heads = static_cast<int64_t>(integer(v, "heads", 1, kMost));
  model.d_ff = static_cast<int64_t>(integer(v, "d-ff", 1, kMost));
  model.vocabulary = static_cast<int64_t>(integer(v, "vocab", 300, 1'000'000));
  model.context = static_cast<int64_t>(integer(v, "context", 2, kMost));
  validate(model);
  return model;
}

TrainerOptions trainer_options(const KeyValues& v) {
  constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();
  TrainerOptions t;
  t.max_steps = integer(v, "steps", 0, kAny);
  t.max_tokens = integer(v, "tokens", 0, kAny);
  t.max_time = parse_duration(value_of(v, "time"));
  t.accumulate = static_cast<uint32_t>(integer(v, "accumulate", 1, 4096));
  t.schedule.kind = parse_schedule(value_of(v, "schedule"));
  t.schedule.peak = number(v, "learning-rate", 0, 10);
  t.schedule.warmup_steps = integer(v, "warmup", 0, kAny / 2);
  if (!value_of(v, "schedule-steps").empty())
    t.schedule.total_steps = integer(v, "schedule-steps", 1, kAny / 2);
  t.recompute = choice<Recompute>(
      v, "recompute",
      {{"none", Recompute::kNone}, {"cheap", Recompute::kCheap}, {"layers", Recompute::kLayers}});
  t.precision = parse_precision(value_of(v, "precision"));
  t.optimizer.weight_decay = number(v, "weight-decay", 0, 10);
  t.optimizer.beta1 = number(v, "beta1", 0, 0.99999);
  t.optimizer.beta2 = number(v, "beta2", 0, 0.9999999);
  t.optimizer.gradient_clip = number(v, "grad-clip", 0, 1e9);
  t.checkpoint_interval = parse_duration(value_of(v, "checkpoint-interval"));
  t.checkpoint_every = integer(v, "checkpoint-every", 0, kAny);
  t.evaluate_every = integer(v, "evaluate-every", 0, kAny);
  t.sample_every = integer(v, "sample-every", 0, kAny);
  t.log_every = integer(v, "log-every", 0, kAny);
  return t;
}

int thread_count(const KeyValues& v, const std::string& key, int automatic) {
  return value_of(v, key).empty() ? automatic : static_cast<int>(integer(v, key, 1, 1024));
}

template <typename Number>
std::optional<Number> parse_whole(const std::string& text) {
  Number value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

KeyValues resolve(const KeyValues& given) {
  KeyValues values = given;
  for (const Key& key : run_keys()) {
    if (!key.fallback.empty()) values.try_emplace(std::string(key.name), key.fallback);
  }
  const auto preset = find_preset(values.at("model"));
  if (!preset) {
    std::string names;
    for (const Preset& p : presets()) names += fmt::format(" {}", p.name);
    fail(ErrorKind::kUsage, "--model {}: no such preset; there are{}", values.at("model"), names);
  }
  apply_preset(values, *preset);
  for (const Key& key : run_keys()) values.try_emplace(std::string(key.name), "");
  for (const char* key : {"corpus", "validation-corpus", "tokenizer", "state"}) make_absolute(values, key);
  values["precision"] = precision_name(parse_precision(values["precision"]));
  return values;
}

Precision parse_precision(const std::string& text) {
  if (text == "auto") return fastest_precision();
  if (const auto precision = find_precision(text)) return *precision;
  fail(ErrorKind::kUsage, "--precision {}: auto, f32 or bf16 is needed", text);
}

RunConfiguration to_configuration(const KeyValues& v) {
  const int cores = inspect_machine().cores;
  RunConfiguration c;
  c.state_folder = state_folder_of(v);
  if (value_of(v, "corpus").empty()) {
    fail(ErrorKind::kUsage,
         "--corpus is missing; name files or folders with text, for example pretrain --corpus /wiki");
  }
  c.corpus = corpus_options(v, "corpus");
  if (!value_of(v, "validation-corpus").empty()) {
    c.validation_corpus = corpus_options(v, "validation-corpus");
    c.validation_corpus->validation_fraction = 0;
  }
  c.model = model_config(v);
  c.vocabulary.type = choice<TokenizerType>(
      v, "tokenizer-type",
      {{"bpe", TokenizerType::kBpe}, {"unigram", TokenizerType::kUnigram}, {"char", TokenizerType::kChar}});
  c.characters = c.vocabulary.type == TokenizerType::kChar;
  c.vocabulary.pieces = static_cast<uint32_t>(c.model.vocabulary);
  c.tokenizer_file = value_of(v, "tokenizer");
  c.packing = parse_packing(value_of(v, "packing"));
  c.batch = static_cast<int64_t>(integer(v, "batch", 1, 1'000'000));
  c.micro_batch_tokens = static_cast<int64_t>(integer(v, "micro-batch-tokens", 1, 1'000'000'000));
  c.shuffle_buffer = integer(v, "shuffle-buffer", 1, 100'000'000);
  c.queue = integer(v, "queue", 1, 100'000);
  c.seed = c.corpus.seed;
  c.validation_tokens = integer(v, "validation-tokens", 0, 1'000'000'000);
  c.epochs = static_cast<uint32_t>(integer(v, "epochs", 0, 1'000'000'000));
  c.workers = thread_count(v, "workers", std::min(cores, 4));
  c.threads = thread_count(v, "threads", cores);
  c.store.keep = integer(v, "keep", 2, 1'000'000);
  c.store.keep_every = integer(v, "keep-every", 0, std::numeric_limits<uint64_t>::max());
  c.sample_tokens = integer(v, "sample-tokens", 0, 1'000'000);
  c.trainer = trainer_options(v);
  c.trainer.micro_rows = micro_batch_rows(c.batch, c.model.context, c.micro_batch_tokens);
  const bool limited = c.trainer.max_steps > 0 || c.trainer.max_tokens > 0 || c.epochs > 0;
  if (c.trainer.schedule.kind == ScheduleKind::kCosine && !limited && c.trainer.schedule.total_steps == 0) {
    fail(ErrorKind::kUsage,
         "--schedule cosine needs to know where it ends; add --steps, --tokens or --epochs");
  }
  return c;
}

Path state_folder_of(const KeyValues& given) {
  const auto found = given.find("state");
  if (found != given.end() && !found->second.empty()) return found->second;
  if (const char* folder = std::getenv("STATE_DIRECTORY"); folder != nullptr && *folder != '\0')
    return folder;
  if (const char* base = std::getenv("XDG_STATE_HOME"); base != nullptr && *base != '\0')
    return Path(base) / "pretrain";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return Path(home) / ".local/state/pretrain";
  fail(ErrorKind::kUsage, "no place for the run's state: HOME is not set; use --state DIR");
}

nlohmann::json to_json(const KeyValues& resolved) {
  return resolved;
}

KeyValues from_json(const nlohmann::json& json) {
  KeyValues values;
  for (const auto& [key, value] : json.items()) {
    if (value.is_string()) values[key] = value.get<std::string>();
  }
  return values;
}

KeyValues complete(KeyValues saved) {
  saved["time"] = "0s";  // a limit of one session, not of the run
  // Decided at the start of a run: resuming on another processor changes nothing. Runs that still say "auto"
  // were begun by versions that had nothing but f32.
  std::string& precision = saved.try_emplace("precision", "auto").first->second;
  if (precision == "auto") precision = precision_name(Precision::kFloat32);
  for (const Key& key : run_keys()) saved.try_emplace(std::string(key.name), key.fallback);
  return saved;
}

namespace {

/// `saved` changed by what was given for keys that `may_change`; each other value that was given and differs
/// is told in `differences`.
template <typename MayChange>
KeyValues merge(const KeyValues& saved, const KeyValues& given, MayChange may_change,
                std::string& differences) {
  KeyValues merged = complete(saved);
  KeyValues absolute = given;
  for (const char* key : {"corpus", "validation-corpus", "tokenizer", "state"}) make_absolute(absolute, key);
  if (const auto found = absolute.find("precision"); found != absolute.end() && found->second == "auto")
    absolute.erase(found);
  for (const Key& key : run_keys()) {
    const std::string name(key.name);
    const auto found = absolute.find(name);
    if (found == absolute.end()) continue;
    if (may_change(key)) {
      merged[name] = found->second;
    } else if (!same_value(merged[name], found->second)) {
      differences += fmt::format("{}--{} {} (the run has {})", differences.empty() ? "" : ", ", name,
                                 found->second, merged[name].empty() ? "none" : merged[name]);
    }
  }
  return merged;
}

}  // namespace

KeyValues merge_for_resume(const KeyValues& saved, const KeyValues& given) {
  std::string differences;
  KeyValues merged = merge(
      saved, given, [](const Key& key) { return key.kind == KeyKind::kChangeable; }, differences);
  if (!differences.empty()) {
    fail(ErrorKind::kUsage, "the state folder holds another run: {}; leave these out, or use another --state",
         differences);
  }
  return merged;
}

KeyValues merge_for_branch(const KeyValues& parent, const KeyValues& given) {
  std::string differences;
  KeyValues merged = merge(
      parent, given, [](const Key& key) { return may_change_in_branch(key.name); }, differences);
  if (!differences.empty()) {
    fail(ErrorKind::kUsage,
         "a branch has the model and the vocabulary of its parent: {}; leave these out, or train another "
         "model",
         differences);
  }
  return merged;
}

/// "1e-3" and "0.001" are the same value. Whole numbers are compared as such: a double can't tell large seeds
/// apart.
bool same_value(const std::string& a, const std::string& b) {
  const auto whole_a = parse_whole<uint64_t>(a);
  const auto whole_b = parse_whole<uint64_t>(b);
  if (whole_a && whole_b) return *whole_a == *whole_b;
  const auto number_a = parse_whole<double>(a);
  const auto number_b = parse_whole<double>(b);
  return a == b || (number_a && number_b && *number_a == *number_b);
}

}  // namespace pretrain
