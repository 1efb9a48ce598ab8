#pragma once
// The program as a whole: standard streams, log, and what becomes of an exception that nobody else caught.

namespace pretrain {

/// What main() does. Returns the exit code: 0 done or stopped on request, 2 usage or configuration, 3 corpus
/// or checkpoint unusable, 1 anything else, after one line that says why.
int run_program(int argc, char** argv);

}  // namespace pretrain
