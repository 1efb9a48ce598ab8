#pragma once
// A part of a bzip2 file, decompressed block by block: neither an index nor the file before the part is
// needed, and a damaged block costs itself alone. Works for one stream as for many.

#include <cstdint>
#include <memory>

#include "pipeline/corpus/decompressor.h"

namespace pretrain {

/// Opens the blocks that begin in the bytes [begin, end) of the file. Reading goes on with the blocks behind
/// them, so that a record can be read to its end; records_end() tells where that begins. Positions count from
/// the first block. A block is delivered once its checksum holds; a damaged one is a gap. (The checksum of
/// whole streams is not looked at: it says nothing that those of the blocks don't.)
std::unique_ptr<ByteSource> open_bzip2_blocks(ReadableFile file, uint64_t begin, uint64_t end);

/// A part that unpacks to more than this is no text; what is beyond is a gap. Real dumps unpack to four times
/// their size, and a region to a few MiB.
constexpr uint64_t kMaxUnpackedBytes = uint64_t{1} << 30;

}  // namespace pretrain
