// SPDX-License-Identifier: Apache-2.0
#pragma once
// Describes a corpus in one line, for the start of a run and `inspect`.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "pipeline/corpus/catalog.h"
#include "pipeline/corpus/record_reader.h"

namespace pretrain {

/// "1 file", "2,000 files".
std::string count_of(uint64_t count, std::string_view noun);

/// "100 files, 37.5 MB: doc text (gzip)"; with several kinds, each with its number of files. Thread-safe.
std::string describe_corpus(const Catalog& catalog);

/// What is not read and why, a line for each file, or for each reason that more than three files have: "not read: x.zip:
/// damaged archive". Thread-safe.
std::vector<std::string> describe_rejected(const Catalog& catalog);

struct Bzip2Counts {
  uint64_t streams = 0;
  uint64_t blocks = 0;
};
/// The streams and blocks of a bzip2 file, counted by their marks without decompression. Includes a truncated
/// last stream.
/// Errors: kData when the device fails; Stopped.
Bzip2Counts count_bzip2(const ReadableFile& file, const ReadHooks& hooks);

/// Calls `show` with documents of dumps and their wikitext, in the order of the files, at most `count` times.
/// Returns the number of calls.
/// Errors: kData when the device fails; Stopped.
uint64_t show_pages(const CorpusOptions& options, const Catalog& catalog, uint64_t count,
                    const std::stop_token& stop, const std::function<void(const Record&)>& show);

}  // namespace pretrain
