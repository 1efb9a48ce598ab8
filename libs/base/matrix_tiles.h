// SPDX-License-Identifier: Apache-2.0
#pragma once
// The processor's registers for tiles of matrices (AMX of x86).

namespace pretrain {

/// Asks the operating system to let this process use tiles. Returns whether it may: false on processors without
/// tiles, on kernels before Linux 5.16, and where a thread's stack for signals is too small for their content.
bool request_matrix_tiles();

}  // namespace pretrain
