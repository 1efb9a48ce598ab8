// SPDX-License-Identifier: Apache-2.0
#pragma once
// Decompresses a part of a bzip2 file, block by block. It needs neither an index nor the file before the
// part, and a damaged block loses only itself. Works for files of one or many streams.

#include <cstdint>
#include <memory>

#include "pipeline/corpus/decompressor.h"

namespace pretrain {

/// Opens the blocks that begin in the bytes [begin, end) of the file. Reading continues with the blocks after
/// them, so that the last record can be read to its end; records_end() is where they begin. Positions count
/// from the first block. A block is delivered after its checksum was verified; a damaged one is a gap. (The
/// checksum of a stream is ignored, because it adds nothing to those of its blocks.)
std::unique_ptr<ByteSource> open_bzip2_blocks(ReadableFile file, uint64_t begin, uint64_t end);

/// Decompression limit of a part; anything beyond it is reported as a gap. Real dumps decompress to four
/// times their size, and a region to a few MiB.
constexpr uint64_t kMaxUnpackedBytes = uint64_t{1} << 30;

}  // namespace pretrain
