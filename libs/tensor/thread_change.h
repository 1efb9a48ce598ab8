// SPDX-License-Identifier: Apache-2.0
#pragma once
// Changes the number of threads that compute while a program runs.

#include "libs/tensor/compute.h"

namespace pretrain {

/// From now on `compute` uses this many threads. References to it stay valid. Results do not change, because
/// they do not depend on the number of threads.
/// Requires: between loops, on the thread that uses `compute`; at least 1, and at most the threads that it
/// was created with, because the scratch memory of kernels has a part for each of those.
void use_threads(Compute& compute, int threads) noexcept;

}  // namespace pretrain
