// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/compute.h"

#if defined(__SSE__)
#include <immintrin.h>
#endif

namespace pretrain {

/// Denormals cost a hundred cycles each and are too small to matter, so they become 0.
void prepare_compute_thread() {
#if defined(__SSE__)
  constexpr unsigned kFlushToZero = 0x8000;
  constexpr unsigned kDenormalsAreZero = 0x0040;
  _mm_setcsr(_mm_getcsr() | kFlushToZero | kDenormalsAreZero);
#endif
}

Compute::Compute(int threads)
    : threads_(threads),
      scratch_(static_cast<size_t>(threads) * kScratchFloats),
      arena_(threads, /*reserved_for_masters=*/1, tbb::task_arena::priority::high) {
  prepare_compute_thread();
}

tbb::task_group_context Compute::flushing_context() {
  prepare_compute_thread();
  return {tbb::task_group_context::isolated,
          tbb::task_group_context::default_traits | tbb::task_group_context::fp_settings};
}

}  // namespace pretrain
