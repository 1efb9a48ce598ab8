// SPDX-License-Identifier: Apache-2.0
// Any bytes as a bzip2 file, read whole and in two parts.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "libs/base/check.h"
#include "pipeline/corpus/bzip2_blocks.h"

namespace {

using namespace pretrain;

/// The content of a part that is its own, up to some MiB: a bomb need not be unpacked to the end each time.
std::string read_part(const Path& path, uint64_t begin, uint64_t end) {
  constexpr size_t kEnough = 4'000'000;
  const auto source = open_bzip2_blocks(ReadableFile(path), begin, end);
  std::string content;
  std::array<char, 65536> part;
  while (content.size() < kEnough && content.size() < source->records_end()) {
    const size_t got = source->read(part);
    if (got == 0) break;
    content.append(part.data(), got);
  }
  for (uint64_t at = 0; const Gap* gap = source->gap_after(at); at = gap->position + 1) {
    PRETRAIN_CHECK(gap->position >= at, "gaps are out of order");
    PRETRAIN_CHECK(gap->position >= content.size() || content[gap->position] == '\n', "a gap is no newline");
  }
  content.resize(std::min<size_t>(content.size(), source->records_end()));
  return content;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int descriptor = memfd_create("fuzz", 0);
  static const Path path = "/proc/self/fd/" + std::to_string(descriptor);
  if (ftruncate(descriptor, 0) != 0 || pwrite(descriptor, data, size, 0) != static_cast<ssize_t>(size))
    return 0;
  read_part(path, 0, size);
  read_part(path, 0, size / 2);
  read_part(path, size / 2, size);
  return 0;
}
