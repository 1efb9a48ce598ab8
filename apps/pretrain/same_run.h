#pragma once
// Whether the inputs that a command names are those that the run in the folder was started with. Each may
// have moved; what is there now is compared with what the run knows of it.

#include <optional>
#include <stop_token>
#include <string>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/run_evaluation.h"
#include "libs/checkpoint/verify.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// `given` without a tokenizer that is, byte for byte, the one that the checkpoint holds, or that is no
/// longer where it was. Errors: kUsage when there is another one now.
KeyValues without_same_tokenizer(KeyValues given, const Checkpoint& checkpoint);

/// Takes a validation corpus that is named by another path than before out of `given`. Whether it is the same
/// is for check_validation_corpus() to tell.
std::optional<std::string> take_moved_validation_corpus(KeyValues& given, const Checkpoint& checkpoint);

/// What can be said of a configuration's corpus before it is read.
enum class CorpusKind {
  kUnchanged,  ///< under the path that the checkpoint names
  kMoved,      ///< under another path, with most of its files
  kAnother,
};

/// Errors: kData when the corpus can't be reached, or nothing is left of it under its old path and changes
/// are not to be skipped; Stopped.
CorpusKind corpus_kind(const RunConfiguration& config, const Checkpoint& checkpoint,
                       const std::stop_token& stop);

/// Errors: kUsage when it is another corpus, naming both and what to do; as corpus_kind().
void check_corpus(const RunConfiguration& config, const Checkpoint& checkpoint, const std::stop_token& stop);

/// For a validation corpus that is named by another path than before, and the hash of the run's evaluation
/// set. Another set is collected beside it for a moment. Errors: kUsage when it is not the same.
void check_validation_corpus(FileSystem& files, const EvaluationRequest& request,
                             const std::string& known_hash, const std::stop_token& stop);

}  // namespace pretrain
