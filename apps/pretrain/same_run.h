// SPDX-License-Identifier: Apache-2.0
#pragma once
// Checks that the inputs given to a command are those of the run in the state folder. A corpus or tokenizer
// may have moved: its content is compared with what the run recorded.

#include <optional>
#include <stop_token>
#include <string>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/run_evaluation.h"
#include "libs/checkpoint/verify.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Removes from `given` a tokenizer that equals the one in the checkpoint byte for byte, or that no longer
/// exists under the run's own path.
/// Errors: kUsage when it is another tokenizer.
KeyValues without_same_tokenizer(KeyValues given, const Checkpoint& checkpoint);

/// Removes a validation corpus with a changed path from `given` and returns it. check_validation_corpus()
/// then checks whether its content is the same.
std::optional<std::string> take_moved_validation_corpus(KeyValues& given, const Checkpoint& checkpoint);

/// How a configuration's corpus compares with the run's, judged by its files.
enum class CorpusKind {
  kUnchanged,  ///< at the path in the checkpoint
  kMoved,      ///< at another path, with most of its files
  kAnother,    ///< another corpus
};

/// Errors: kData when the corpus can't be read, or when none of its files are left at the old path and
/// --on-changed is fail; Stopped.
CorpusKind corpus_kind(const RunConfiguration& config, const Checkpoint& checkpoint,
                       const std::stop_token& stop);

/// Errors: kUsage when it is another corpus, naming both and the remedy; as corpus_kind().
void check_corpus(const RunConfiguration& config, const Checkpoint& checkpoint, const std::stop_token& stop);

/// Checks a validation corpus at a new path: collects its evaluation set into a temporary file and compares
/// its hash with `known_hash`, that of the run's set.
/// Errors: kUsage when they differ.
void check_validation_corpus(FileSystem& files, const EvaluationRequest& request,
                             const std::string& known_hash, const std::stop_token& stop);

}  // namespace pretrain
