// SPDX-License-Identifier: Apache-2.0
#pragma once
// Work that runs on as many threads as a test needs, however busy the machine is.

#include <barrier>
#include <cstddef>

#include <tbb/global_control.h>

#include "libs/tensor/compute.h"

namespace pretrain::test {

/// Lets oneTBB start as many threads as the tests ask for, also on a machine with fewer cores.
class MoreThreads {
 private:
  tbb::global_control control_{tbb::global_control::max_allowed_parallelism, 8};
};

/// Calls f() once on each thread of `compute`: no call ends before all have started, so that each needs a
/// thread of its own. Waits for them as long as it takes.
/// Requires: MoreThreads.
template <typename F>
void on_each_thread(Compute& compute, const F& f) {
  std::barrier all_have_begun(compute.threads());
  compute.parallel_for(static_cast<size_t>(compute.threads()), [&](size_t) {
    all_have_begun.arrive_and_wait();
    f();
  });
}

}  // namespace pretrain::test
