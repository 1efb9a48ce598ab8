// SPDX-License-Identifier: Apache-2.0
#pragma once
// Counts the bytes that a test program holds at a time through operator new. Linking this in replaces the
// operators for the program and its shared libraries. Thread-safe.
//
// Memory that does not come from operator new is not seen: oneTBB's pool of tasks, what C libraries take.
// Under sanitizers, which replace the same functions, nothing is counted: kLiveBytesAreCounted.

#include <cstdint>

namespace pretrain::test {

#ifdef PRETRAIN_SANITIZED
constexpr bool kLiveBytesAreCounted = false;
#else
constexpr bool kLiveBytesAreCounted = true;
#endif

/// Held now.
int64_t live_bytes();
/// The most that was held at once since begin_peak().
int64_t peak_bytes();
void begin_peak();

}  // namespace pretrain::test
