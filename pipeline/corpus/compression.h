#pragma once
// How the files of a corpus are compressed. Thread-safe: free functions.

#include <memory>
#include <optional>
#include <string_view>

#include "pipeline/corpus/decompressor.h"

namespace pretrain {

enum class Compression { kNone, kGzip, kBzip2, kXz, kZstd };

/// "gzip", "bzip2", "xz", "zstd", or "none": what a checkpoint calls it, never to be changed. These are
/// proper names, so that the user reads the same words.
std::string_view compression_name(Compression compression);
/// The inverse of compression_name(); nothing for other words.
std::optional<Compression> find_compression(std::string_view name);

/// How many bytes of text a byte of such a file usually unpacks to.
double usual_expansion(Compression compression);

/// Opens the file for reading from its beginning.
std::unique_ptr<ByteSource> open_source(ReadableFile file, Compression compression);

}  // namespace pretrain
