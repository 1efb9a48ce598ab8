// SPDX-License-Identifier: Apache-2.0
#pragma once
// The index of a multistream dump: lines "offset:page id:title", where a bzip2 stream begins at each offset.
// Reading doesn't need it, since streams are found by their marks, but it tells how long the dump should be.
// Thread-safe: free functions.

#include <stop_token>
#include <string>
#include <string_view>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// Whether a file that begins with `head` is such an index: its first lines are, with offsets that never
/// decrease.
bool is_dump_index(std::string_view head);

/// The name of the dump that belongs to an index of this name: "a-multistream1.xml-p1p9.bz2" for
/// "a-multistream-index1.txt-p1p9.bz2". Empty for other names.
std::string dump_of_index(std::string_view index_name);

/// Why an index and a dump do not match, in one line: the dump ends before streams in the index, or the index
/// belongs to another dump. Empty if they match. Reads a few MiB at most.
/// Errors: kData when the device fails; Stopped.
std::string doubt_dump(const Shard& index, const Shard& dump, const std::stop_token& stop);

}  // namespace pretrain
