#pragma once
// `--check`: everything about a run that can be found out without starting it.

#include "apps/pretrain/session.h"

namespace pretrain {

/// Reads the configuration, the state folder, the corpus and the tokenizer, compares memory and disk with
/// what is needed, and changes nothing.
/// Errors: as run_session() would fail before its first step; Stopped.
void check_run(const SessionRequest& request, StopSignal& stop);

}  // namespace pretrain
