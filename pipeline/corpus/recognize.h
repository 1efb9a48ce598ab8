// SPDX-License-Identifier: Apache-2.0
#pragma once
// Recognizes the kind of a file from its first bytes. Thread-safe: free functions.

#include <optional>
#include <string>
#include <string_view>

#include "libs/base/units.h"
#include "pipeline/corpus/catalog.h"
#include "pipeline/corpus/stream_buffer.h"

namespace pretrain {

/// Decides by the magic number; the name only matters for zstd files that begin with a skippable frame.
/// Requires: `head` holds at least 10 bytes unless the file is shorter.
Compression recognize_compression(std::string_view head, std::string_view name);

struct Recognition {
  std::optional<TextFormat> format;
  std::string reason = {};     ///< for the user: why there is no format
  DumpSite site = {};          ///< of a dump
  bool is_dump_index = false;  ///< there is no format because it is the index of a multistream dump
  bool is_archive = false;     ///< there is no format because it holds files, see Compression::kArchive
  std::string doubt = {};      ///< for the user: what is wrong with text that is read nevertheless
  std::string beginning = {};  ///< hash of the first kRecognizedBytes of text
};
Recognition rejected(std::string reason);

/// So much of a file is looked at first.
constexpr size_t kRecognizedBytes = 64_KiB;

/// What a format recognizes its files by.
struct FileBeginning {
  std::string_view head;  ///< the first kRecognizedBytes at most
  std::string_view text;  ///< of it, without a byte order mark and blanks at both ends
  StreamBuffer& stream;   ///< the file from its first byte on; a wider window of it ends the views above
  std::string_view text_key = "text";  ///< of JSON lines
};

/// Reads the start of `source` (mostly 64 KiB, at most 4 MiB) and decides by content only.
/// Errors: Stopped; kData when the device fails.
Recognition recognize_format(ByteSource& source, const TextReading& options, const ReadHooks& hooks = {});

/// For the blocks of a bzip2 file: whether they hold a dump. A dump with a damaged start is recognized by its
/// pages; then its site is unknown.
Recognition recognize_dump_blocks(ByteSource& blocks, const ReadHooks& hooks = {});

}  // namespace pretrain
