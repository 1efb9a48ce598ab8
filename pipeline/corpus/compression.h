// SPDX-License-Identifier: Apache-2.0
#pragma once
// How the files of a corpus are compressed. Thread-safe: free functions.

#include <memory>
#include <optional>
#include <string_view>

#include "pipeline/corpus/decompressor.h"

namespace pretrain {

enum class Compression { kNone, kGzip, kBzip2, kXz, kZstd, kArchive };

/// "gzip", "bzip2", "xz", "zstd", "archive", or "none": the key in checkpoints, which must never change. Messages use
/// the same names.
std::string_view compression_name(Compression compression);
/// The inverse of compression_name(); empty for other words.
std::optional<Compression> find_compression(std::string_view name);

/// The usual ratio of text to compressed bytes.
double usual_expansion(Compression compression);

/// Opens the file for reading from its beginning.
std::unique_ptr<ByteSource> open_source(ReadableFile file, Compression compression);

/// What the bytes of another source decompress to. `packed` must outlive the result.
/// Requires: neither "none" nor "archive".
std::unique_ptr<ByteSource> open_packed(ByteSource& packed, Compression compression);

}  // namespace pretrain
