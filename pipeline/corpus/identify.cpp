// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/identify.h"

#include <algorithm>
#include <array>

#include "libs/base/hash.h"
#include "libs/base/units.h"
#include "pipeline/corpus/decompressor.h"

namespace pretrain {
namespace {

// The sizes are part of the identity in checkpoints and must not change. Most edits of a text change its
// size, its start or its end; the samples in between detect most others at the cost of a dozen reads.
constexpr size_t kEdgeBytes = 64_KiB;
constexpr size_t kSampleBytes = 4_KiB;
constexpr uint64_t kSamples = 8;

void hash_range(const ReadableFile& file, uint64_t offset, size_t bytes, Hasher128& hasher) {
  std::array<std::byte, kEdgeBytes> block;
  for (size_t done = 0; done < bytes;) {
    const size_t wanted = std::min(block.size(), bytes - done);
    const size_t got = read_file_at(file, offset + done, std::span(block).first(wanted));
    if (got == 0) return;
    hasher.update(std::span<const std::byte>(block).first(got));
    done += got;
  }
}

}  // namespace

std::string identify(const ReadableFile& file) {
  const uint64_t size = file.size();
  Hasher128 hasher;
  hasher.update(std::to_string(size));
  hash_range(file, 0, kEdgeBytes, hasher);
  if (size > kEdgeBytes) {
    for (uint64_t i = 1; i <= kSamples; ++i) {
      hash_range(file, size / (kSamples + 1) * i, kSampleBytes, hasher);
    }
    hash_range(file, std::max<uint64_t>(kEdgeBytes, size - std::min<uint64_t>(size, kEdgeBytes)), kEdgeBytes,
               hasher);
  }
  return hasher.hex();
}

}  // namespace pretrain
