#pragma once
// The evaluation set of a run: the first held-out sequences in seeded order, collected once and kept in a
// file, which is read piece by piece. Thread-safe: free functions.

#include <cstdint>
#include <functional>

#include "libs/base/file.h"
#include "libs/data/evaluation_data.h"
#include "pipeline/held_out_text.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// How much of a long piece of work is done, in sequences; not called for a short one.
using EvaluationProgress = std::function<void(uint64_t sequences)>;

/// Collects the sequences into the file, durably. While it works there is another file of the same size
/// beside it.
/// Memory: a few MB.
/// Errors: IoError; those of the text.
void collect_evaluation_set(FileSystem& files, const Path& path, HeldOutText& text,
                            const EvaluationProgress& progress = {});

/// Makes the set in `from` the one in `to`, durably: what was collected beside it is moved, the set of
/// another folder is copied. Sets that are open stay readable.
/// Errors: IoError.
void keep_evaluation_set(FileSystem& files, const Path& from, const Path& to);

/// The set in the file, after a check of all of it. Each reader checks again what it gives on.
/// Errors: kData, naming the file and what is wrong, when it is damaged or was made for another context or
/// tokenizer; IoError; Stopped.
EvaluationSet open_evaluation_set(const Path& path, uint32_t context, const Tokenizer& tokenizer,
                                  const std::stop_token& stop, const EvaluationProgress& progress = {});

}  // namespace pretrain
