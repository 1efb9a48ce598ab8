// SPDX-License-Identifier: Apache-2.0
#pragma once
// An interactive session of generate: the user types the beginning of a text, the model continues it, and lines that
// begin with / change how.

#include <stop_token>

#include "apps/pretrain/generate_request.h"
#include "libs/base/file.h"

namespace pretrain {

/// Runs until the end of the input, /quit or a stop request. On a terminal lines can be edited, and Ctrl-C stops a text
/// and not the program. From a pipe or file, each line is read as if it was typed.
/// Errors: those of opening the model; Stopped.
void run_interactive(const GenerateRequest& request, const Path& checkpoint, int threads,
                     const std::stop_token& stop);

}  // namespace pretrain
