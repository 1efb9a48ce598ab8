// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/thread_change.h"

#include <memory>

#include "libs/base/check.h"

namespace pretrain {

/// A Compute has nothing to keep between loops, so another one takes its place in the same memory. Its
/// constructor only allocates; without memory, the process ends as it would in the next step.
void use_threads(Compute& compute, int threads) noexcept {
  PRETRAIN_CHECK(threads >= 1, "{} threads", threads);
  if (threads == compute.threads()) return;
  std::destroy_at(&compute);
  std::construct_at(&compute, threads);
}

}  // namespace pretrain
