// SPDX-License-Identifier: Apache-2.0
#pragma once
// The program as a whole: standard streams, log, and the message and exit code for an uncaught exception.

namespace pretrain {

/// The body of main(). Returns the exit code: 0 finished or stopped on request, 2 invalid usage or
/// configuration, 3 unusable corpus or checkpoint, 1 any other error. Each error is logged as one line.
int run_program(int argc, char** argv);

}  // namespace pretrain
