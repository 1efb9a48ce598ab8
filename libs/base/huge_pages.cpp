// SPDX-License-Identifier: Apache-2.0
#include "libs/base/huge_pages.h"

#include <sys/mman.h>

namespace pretrain {

void prefer_huge_pages(void* begin, size_t bytes) {
  madvise(begin, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
}

}  // namespace pretrain
