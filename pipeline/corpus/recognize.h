#pragma once
// What a file is, told from its first bytes. Thread-safe: free functions.

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// Judges by the magic number; the name decides only for zstd files that begin with a skippable frame.
/// Requires: `head` holds at least 10 bytes unless the file is shorter.
Compression recognize_compression(std::string_view head, std::string_view name);

struct Recognition {
  std::optional<TextFormat> format;
  std::string reason;  ///< why there is no format
  DumpSite site;       ///< for kMediaWiki
};

/// Reads the beginning of `source` (4 MiB at most, mostly 64 KiB) and judges by content alone.
/// Errors: Stopped; kData when the device fails.
Recognition recognize_format(ByteSource& source, DocumentMode documents, const ReadHooks& hooks = {});

/// For the blocks of a bzip2 file: whether they hold a dump. One whose beginning is damaged is told by its
/// pages, and nothing is known of its site then.
Recognition recognize_dump_blocks(ByteSource& blocks, const ReadHooks& hooks = {});

}  // namespace pretrain
