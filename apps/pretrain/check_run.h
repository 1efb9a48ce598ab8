// SPDX-License-Identifier: Apache-2.0
#pragma once
// `--check`: checks everything about a run that can be checked without starting it.

#include "apps/pretrain/session.h"

namespace pretrain {

/// Reads the configuration, the state folder, the corpus and the tokenizer, and checks that memory and disk
/// suffice. Changes nothing.
/// Errors: those that run_session() reports before its first step; Stopped.
void check_run(const SessionRequest& request, StopSignal& stop);

}  // namespace pretrain
