// SPDX-License-Identifier: Apache-2.0
#pragma once
// PRETRAIN_CPU: the user's limit on the instruction set of the kernels, for checking one machine's numbers on
// another, or for a processor that is slower with its widest vectors.

namespace pretrain {

/// Applies $PRETRAIN_CPU, if it is set. To be called before anything computes.
/// Errors: kUsage for an unknown name or one that this processor does not support.
void limit_processor();

}  // namespace pretrain
