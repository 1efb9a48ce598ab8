#pragma once
// The evaluation set: the first held-out sequences in seeded order, collected once per run.

#include <cstdint>
#include <stop_token>
#include <vector>

#include "libs/base/file.h"
#include "libs/data/evaluation_data.h"
#include "pipeline/corpus/corpus_reader.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Reads the held-out documents of a corpus, in the order of its seed, until there are `sequences` sequences
/// of `context` pairs (fewer when the corpus has no more; the last one may be padded). Errors: as
/// CorpusReader; Stopped.
EvaluationData collect_evaluation_set(const CorpusOptions& corpus, const Catalog& catalog,
                                      const Tokenizer& tokenizer, uint32_t context, uint64_t sequences,
                                      const std::stop_token& stop);

/// Writes the set durably. Errors: IoError.
void save_evaluation_set(FileSystem& files, const Path& path, const EvaluationData& data);
/// Errors: kData when the file is damaged or was made for another context.
EvaluationData load_evaluation_set(const Path& path, uint32_t context);

}  // namespace pretrain
