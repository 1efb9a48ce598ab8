// SPDX-License-Identifier: Apache-2.0
#pragma once
// Large pages for large arrays, which need fewer address translations.

#include <cstddef>

namespace pretrain {

constexpr size_t kHugePage = size_t{2} << 20;

/// Asks the system for large pages in [begin, begin + bytes). The system may ignore this.
/// Requires: begin is aligned to kHugePage.
void prefer_huge_pages(void* begin, size_t bytes);

}  // namespace pretrain
