// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file that only exists in memory, for readers that open a path.

#include <string>
#include <string_view>

#include <sys/mman.h>

#include "libs/base/check.h"
#include "libs/base/descriptor.h"

namespace pretrain {

/// A file with this content, as long as the object lives.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
    const ssize_t written = ::write(descriptor_.get(), content.data(), content.size());
    PRETRAIN_CHECK(written == static_cast<ssize_t>(content.size()), "a memory file of {} bytes", written);
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_.get()); }

 private:
  Descriptor descriptor_;
};

}  // namespace pretrain
