// SPDX-License-Identifier: Apache-2.0
#pragma once
// `pretrain inspect` of a corpus.

#include <cstdint>
#include <optional>
#include <string>

#include "libs/base/stop.h"
#include "pipeline/corpus/catalog.h"

namespace pretrain {

struct CorpusQuestion {
  CorpusOptions corpus;
  std::string tokenizer;                    ///< model to count tokens with; empty: they are estimated
  std::optional<double> tokens_per_second;  ///< to estimate the time of an epoch
  uint64_t shown = 0;                       ///< documents of dumps to print first, each after its wikitext
  bool lost_templates = false;              ///< list templates without a rule that running text lost
};

/// Reads the whole corpus once and prints its contents, with a progress bar on a terminal. After a stop or an
/// error it prints the counts so far.
/// Errors: kData when there is no text, or it can't be read.
void inspect_corpus(const CorpusQuestion& question, const StopSignal& stop);

}  // namespace pretrain
