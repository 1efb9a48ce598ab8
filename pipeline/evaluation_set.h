// SPDX-License-Identifier: Apache-2.0
#pragma once
// The evaluation set of a run: the first held-out sequences in seeded order, collected once into a file that
// is read piece by piece. Thread-safe: free functions.

#include <cstdint>
#include <functional>
#include <vector>

#include "libs/base/file.h"
#include "libs/data/evaluation_data.h"
#include "pipeline/corpus/document_signature.h"
#include "pipeline/held_out_text.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Reports the progress of long work, in sequences; not called for short work.
using EvaluationProgress = std::function<void(uint64_t sequences)>;

/// Collects the sequences into the file, durably. Meanwhile there is a temporary file of the same size next
/// to it.
/// Memory: a few MB.
/// Errors: IoError; those of the text.
void collect_evaluation_set(FileSystem& files, const Path& path, HeldOutText& text,
                            const EvaluationProgress& progress = {});

/// Durably moves the set from `from` to `to` if they are in the same folder, otherwise copies it. Open sets
/// stay readable.
/// Errors: IoError.
void keep_evaluation_set(FileSystem& files, const Path& from, const Path& to);

/// The set in the file, fully verified. Each reader checks again what it reads.
/// Errors: kData, naming the file and what is wrong, when it is damaged or was made for another context or
/// tokenizer; IoError; Stopped.
EvaluationSet open_evaluation_set(const Path& path, uint32_t context, const Tokenizer& tokenizer,
                                  const std::stop_token& stop, const EvaluationProgress& progress = {});

/// Of the documents of the set; the last one may be cut.
/// Errors: those of the set's reader.
std::vector<DocumentSignature> signatures_of(const EvaluationSet& set, const Tokenizer& tokenizer);

}  // namespace pretrain
