#pragma once
// Large pages for large arrays: fewer address translations to look up.

#include <cstddef>

namespace pretrain {

constexpr size_t kHugePage = size_t{2} << 20;

/// Asks for large pages in [begin, begin + bytes): a wish, which the system may not grant.
/// Requires: begin is aligned to kHugePage.
void prefer_huge_pages(void* begin, size_t bytes);

}  // namespace pretrain
