// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/same_run.h"

#include <algorithm>

#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/units.h"
#include "libs/train/checkpoint_state.h"
#include "pipeline/corpus/corpus_match.h"
#include "tokenizer/tokenizer_folder.h"

namespace pretrain {
namespace {

std::string saved_value(const Checkpoint& checkpoint, const std::string& key) {
  return checkpoint.manifest.configuration.value(key, std::string());
}

/// Paths separated by newlines, as one line for a message.
std::string on_one_line(std::string paths) {
  std::string line;
  for (const char c : paths) line += c == '\n' ? std::string(", ") : std::string(1, c);
  return line;
}

std::string inputs_of(const CorpusOptions& corpus) {
  std::string paths;
  for (const Path& input : corpus.inputs) paths += (paths.empty() ? "" : "\n") + input.native();
  return paths;
}

nlohmann::json stream_value(const Checkpoint& checkpoint, const std::string& key) {
  const nlohmann::json scalars = saved_numbers_of(file_of(checkpoint, "state.json"), checkpoint.step).stream;
  const auto found = scalars.find(key);
  if (found == scalars.end()) {
    fail(ErrorKind::kData, "{} has no {} in the state of its stream; use an older checkpoint",
         checkpoint.folder.native(), key);
  }
  return *found;
}

/// A file that is no tokenizer is another one, too. A run never has a model that changes text.
bool is_tokenizer_of(const Checkpoint& checkpoint, const Path& path) {
  const std::string known = tokenizer_of(checkpoint).hash();
  try {
    return (folder_exists(path) ? tokenizer_in(path) : tokenizer_at(path, TextChanges::kLeaveOut)).hash() ==
           known;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData) throw;
    return false;
  }
}

}  // namespace

KeyValues without_same_tokenizer(KeyValues given, const Checkpoint& checkpoint) {
  const auto found = given.find("tokenizer");
  if (found == given.end() || found->second.empty()) return given;
  const Path named = found->second;
  const std::string before = saved_value(checkpoint, "tokenizer");
  if (folder_exists(named) ? has_tokenizer(named) : file_exists(named)) {
    if (!is_tokenizer_of(checkpoint, named)) {
      fail(
          ErrorKind::kUsage,
          "--tokenizer {} is not the tokenizer of the run in {}, which was started with {}; leave it out, or "
          "use another --state",
          found->second, checkpoint.folder.parent_path().parent_path().native(),
          before.empty() ? "a tokenizer of its own" : before);
    }
    given.erase(found);
  } else if (std::filesystem::absolute(named).lexically_normal() == before) {
    given.erase(found);
  }
  return given;
}

std::optional<std::string> take_moved_validation_corpus(KeyValues& given, const Checkpoint& checkpoint) {
  const auto found = given.find("validation-corpus");
  const std::string before = saved_value(checkpoint, "validation-corpus");
  if (found == given.end() || found->second.empty() || before.empty()) return std::nullopt;
  std::string now = std::filesystem::absolute(found->second).lexically_normal().string();
  if (now == before) return std::nullopt;
  given.erase(found);
  return now;
}

CorpusKind corpus_kind(const RunConfiguration& config, const Checkpoint& checkpoint,
                       const std::stop_token& stop) {
  const auto catalog = stream_value(checkpoint, "catalog").get<Catalog>();
  if (inputs_of(config.corpus) != saved_value(checkpoint, "corpus")) {
    return match_corpus(config.corpus, catalog, stop).is_the_corpus() ? CorpusKind::kMoved
                                                                      : CorpusKind::kAnother;
  }
  if (!holds_any_shard(config.corpus, catalog) && config.corpus.on_changed == OnChanged::kFail) {
    fail(ErrorKind::kData,
         "the corpus {} no longer has any of the files of the run; put them back, give their new path with "
         "--corpus, or start a new run in another folder with --state (--on-changed skip continues this run "
         "with the files that are there now)",
         on_one_line(inputs_of(config.corpus)));
  }
  return CorpusKind::kUnchanged;
}

void check_corpus(const RunConfiguration& config, const Checkpoint& checkpoint, const std::stop_token& stop) {
  const CorpusKind kind = corpus_kind(config, checkpoint, stop);
  const std::string now = on_one_line(inputs_of(config.corpus));
  const std::string before = on_one_line(saved_value(checkpoint, "corpus"));
  if (kind == CorpusKind::kMoved) {
    log_info("the corpus of the run is now {} (before: {})", now, before);
  } else if (kind == CorpusKind::kAnother) {
    fail(
        ErrorKind::kUsage,
        "the run in {} has another corpus, {}; {} has none or too few of its files; start a new run in "
        "another "
        "folder with --state NEW, continue this one without --corpus, or, if its corpus moved, with pretrain "
        "resume --corpus and its new path",
        config.state_folder.native(), before, now);
  }
}

void check_validation_corpus(FileSystem& files, const EvaluationRequest& request,
                             const std::string& known_hash, const std::stop_token& stop) {
  const RunConfiguration& config = request.config;
  const Path path = collected_evaluation_file(config.state_folder);
  collect_run_evaluation(files, path, request, stop);
  const std::string hash = open_run_evaluation(path, request, stop).hash;
  files.remove_file(path);
  if (hash == known_hash) return;
  fail(ErrorKind::kUsage,
       "--validation-corpus {} is not the validation corpus of the run in {}; leave it out, or use another "
       "--state",
       on_one_line(inputs_of(*config.validation_corpus)), config.state_folder.native());
}

}  // namespace pretrain
