#pragma once
// The corpus in one line, for the start banner and `inspect`.

#include <string>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// "100 files, 37.5 MB: doc text (gzip)"; with several kinds, each with its number of files. Thread-safe.
std::string describe_corpus(const Catalog& catalog);

}  // namespace pretrain
