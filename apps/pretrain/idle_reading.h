// SPDX-License-Identifier: Apache-2.0
#pragma once
// Options for the reading of formats that a corpus does not have.

#include <string>
#include <vector>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// A line for each option that has no effect on these files: "--text-key has no effect: the corpus has no JSON lines; ...".
/// Archives may hold every format, so with one of them nothing is known.
std::vector<std::string> idle_reading_options(const CorpusOptions& options, const Catalog& catalog);

/// Warns of them.
void report_idle_reading(const CorpusOptions& options, const Catalog& catalog);

}  // namespace pretrain
