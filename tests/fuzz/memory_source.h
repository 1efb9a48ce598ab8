// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bytes in memory as a corpus file, for fuzzing.

#include <algorithm>
#include <cstring>
#include <string_view>

#include "pipeline/corpus/decompressor.h"

namespace pretrain::test {

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}

 protected:
  size_t produce(std::span<char> out) override {
    const size_t at = std::min<size_t>(position_, bytes_.size());
    const size_t count = std::min(out.size(), bytes_.size() - at);
    if (count > 0) std::memcpy(out.data(), bytes_.data() + at, count);
    return count;
  }

 private:
  std::string_view bytes_;
};

}  // namespace pretrain::test
