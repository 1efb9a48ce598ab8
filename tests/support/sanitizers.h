// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace pretrain::test {

/// Whether the tests and the program run with AddressSanitizer or ThreadSanitizer: several times slower and
/// with books of their own in memory.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace pretrain::test
