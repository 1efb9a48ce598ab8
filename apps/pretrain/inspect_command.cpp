// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include <fmt/format.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/branch.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/idle_option.h"
#include "apps/pretrain/inspect_corpus.h"
#include "apps/pretrain/inspect_gguf.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/output.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/checkpoint/linked_place.h"
#include "libs/checkpoint/safetensors.h"
#include "libs/gguf/reader.h"
#include "libs/model/architecture.h"

namespace pretrain {
namespace {

struct InspectRequest {
  std::vector<Path> paths;
  CorpusOptions corpus{.on_changed = OnChanged::kSkip, .validation_fraction = 0};
  Path tokenizer;
  double tokens_per_second = 0;
  uint64_t shown = 0;
  bool lost_templates = false;
  bool is_corpus = true;  ///< what the paths are
};

constexpr CommandSyntax kSyntax{
    .name = "inspect",
    .usage =
        "pretrain inspect CHECKPOINT | STATE | MODEL | GGUF | CORPUS...\n\n"
        "Verifies and describes a checkpoint, a run, a model or a corpus. Changes\n"
        "nothing.",
    .positional = "path"};

OptionTable<InspectRequest> options() {
  using Request = InspectRequest;
  constexpr double kSlowest = 1e-3, kFastest = 1e12;
  return OptionTable<Request>{
             {{"path", "path to inspect; '--path' may be omitted"}, paths_of<Request>(&Request::paths)},
             {{"tokenizer", "count tokens with this SentencePiece model, tokenizer.json, checkpoint or run"},
              path_of<Request>(&Request::tokenizer)},
             {{"tokens-per-second", "training speed, to estimate the time of an epoch", "",
               KeyKind::kChangeable, "none"},
              number_of<Request>(&Request::tokens_per_second, kSlowest, kFastest)},
             {{"show", "print this many pages of dumps: wikitext, then cleaned text"},
              count_of<Request>(&Request::shown)},
             {{"lost-templates", "list templates that running text of dumps lost, with their counts"},
              switch_of<Request>(&Request::lost_templates)}} +
         corpus_options<Request>(&Request::corpus);
}

bool is_no_corpus(const InspectRequest& request) {
  return !request.is_corpus;
}

constexpr std::string_view kOfACorpus = "on a model or a run, only on a corpus";
constexpr IdleOption<InspectRequest> kIdle[] = {
    {"tokenizer", is_no_corpus, kOfACorpus},     {"tokens-per-second", is_no_corpus, kOfACorpus},
    {"show", is_no_corpus, kOfACorpus},          {"lost-templates", is_no_corpus, kOfACorpus},
    {"documents", is_no_corpus, kOfACorpus},     {"text-key", is_no_corpus, kOfACorpus},
    {"namespaces", is_no_corpus, kOfACorpus},    {"disambiguation", is_no_corpus, kOfACorpus},
    {"template-rules", is_no_corpus, kOfACorpus}};

void describe_checkpoint(const Checkpoint& checkpoint) {
  const Manifest& manifest = checkpoint.manifest;
  print_line("{}: checkpoint of step {}, every file verified", checkpoint.folder.string(),
             format_count(manifest.step));
  print_line("created {}, format version {}", manifest.created, manifest.format_version);
  print_text("{}", describe_parent(manifest.parent));
  for (const std::string& change : checkpoint.changed) print_line("changed by another program: {}", change);
  uint64_t total = 0;
  for (const ManifestFile& file : manifest.files) {
    print_line("  {:24} {:>10}  {}", file.name, format_bytes(file.size_bytes), file.hash);
    total += file.size_bytes;
  }
  print_line("  {:24} {:>10}", "all", format_bytes(total));
  print_line("ran on:");
  for (const auto& [key, value] : manifest.fingerprint.items()) print_line("  {}: {}", key, value.dump());
  print_line("configuration:");
  for (const auto& [key, value] : manifest.configuration.items()) {
    if (value != "")
      print_line("  {} = {}", key, value.is_string() ? value.get<std::string>() : value.dump());
  }
}

/// The state folder of a run; `path` may also be its `checkpoints` folder.
Path state_folder_at(const Path& path) {
  const Path folder = path.has_filename() ? path : path.parent_path();
  const bool is_inner = folder.filename() == "checkpoints" && list_checkpoints(folder).empty() &&
                        !list_checkpoints(folder.parent_path()).empty();
  return is_inner ? folder.parent_path() : folder;
}

/// Prints a line for each checkpoint, then describes the newest intact one.
/// Errors: kData when a checkpoint is damaged.
void describe_state_folder(const Path& state) {
  require_linked_place(state);
  size_t failed = 0;
  std::optional<Checkpoint> newest;
  for (const CheckpointEntry& entry : list_checkpoints(state)) {
    CheckpointVerdict verdict = judge_checkpoint(entry.folder);
    print_line("step {}{}", format_count(entry.step),
               verdict.checkpoint ? ": verified" : " " + verdict.reason);
    failed += static_cast<size_t>(!verdict.checkpoint);
    if (verdict.checkpoint && !newest) newest = std::move(verdict.checkpoint);
  }
  if (newest) describe_checkpoint(*newest);
  if (!newest && failed == 0) {
    const std::string remains = remains_of_run(state);
    fail(ErrorKind::kData, "{} is a run's state folder and has no checkpoint{}{}", state.string(),
         remains.empty() ? " yet" : fmt::format(", though there is {}", remains), note_on_empty_link(state));
  }
  if (failed > 0) {
    fail(ErrorKind::kData, "{} of the checkpoints in {} can't be used (see above)", failed,
         checkpoints_folder(state).string());
  }
  // The verdict once more, where a terminal still shows it.
  print_line("{}: {}, every file verified", state.string(),
             format_counted(list_checkpoints(state).size(), "checkpoint"));
}

/// Describes a model without a run, after checking that its files open and fit together. It may have no
/// manifest, so no hashes to verify.
void describe_model(const Path& folder) {
  const ModelFolder model = open_model(folder);
  const ModelConfig& config = model.config;
  print_line("{}: model without a run; it opens {}", folder.string(),
             file_exists(folder / kManifestName) ? "and its files fit the manifest"
                                                 : "but has no manifest to check it against");
  const auto counted = [](int64_t count, std::string_view thing) {
    return format_counted(static_cast<uint64_t>(count), thing);
  };
  print_line("  {} of {}, width {}, {}, MLP {}, context {}", config.architecture->name,
             counted(config.layers, "layer"), config.d_model, counted(config.heads, "head"), config.d_ff,
             format_count(static_cast<uint64_t>(config.context)));
  print_line("  {}, vocabulary of {}", format_counted(model.layout->parameter_count(), "parameter"),
             counted(config.vocabulary, "piece"));
}

enum class Object { kCheckpoint, kModel, kGguf, kState, kCorpus };

/// Whether a run's lock is there, as far as the folder can be examined.
bool has_lock(const Path& path) {
  try {
    return holds_start(state_folder_at(path));
  } catch (const IoError&) {
    return false;
  }
}

/// A path that can't be examined is a corpus: reading it reports why. But a run whose checkpoints can't be
/// listed is no corpus: its records are text, which would be described as if all was well.
Object object_at(const Path& path) {
  try {
    if (is_gguf(path)) return Object::kGguf;
    if (is_model_without_run(path)) return Object::kModel;
    if (file_exists(path / kManifestName)) return Object::kCheckpoint;
    if (is_state_folder(state_folder_at(path))) return Object::kState;
    refuse_bare_start(path);
    return Object::kCorpus;
  } catch (const IoError&) {
    if (has_lock(path)) throw;
    return Object::kCorpus;
  }
}

void describe_object(Object object, const Path& path) {
  switch (object) {
    case Object::kCheckpoint:
      return describe_checkpoint(verify_checkpoint(path));
    case Object::kModel:
      return describe_model(path);
    case Object::kGguf:
      return describe_gguf(path);
    case Object::kState:
      return describe_state_folder(state_folder_at(path));
    case Object::kCorpus:
      fail(ErrorKind::kUsage,
           "{} is no model, checkpoint or run, but other paths are; inspect them one by one", path.string());
  }
}

void inspect_text(const InspectRequest& request, const StopSignal& stop) {
  CorpusQuestion question;
  question.corpus = request.corpus;
  question.corpus.inputs = request.paths;
  question.tokenizer = request.tokenizer.string();
  question.shown = request.shown;
  question.lost_templates = request.lost_templates;
  if (request.tokens_per_second > 0) question.tokens_per_second = request.tokens_per_second;
  inspect_corpus(question, stop);
}

}  // namespace

int inspect_command(const Arguments& arguments, StopSignal& stop) {
  auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  const std::vector<Path>& paths = request->paths;
  if (paths.empty()) {
    fail(ErrorKind::kUsage, "the path is missing; usage: {}",
         kSyntax.usage.substr(0, kSyntax.usage.find('\n')));
  }
  request->is_corpus = object_at(paths.front()) == Object::kCorpus;
  if (request->is_corpus) {
    inspect_text(*request, stop);
    return 0;
  }
  report_idle_options(*request, options(), kIdle);
  for (const Path& path : paths) describe_object(object_at(path), path);
  return 0;
}

}  // namespace pretrain
