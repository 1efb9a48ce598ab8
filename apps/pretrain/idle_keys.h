// SPDX-License-Identifier: Apache-2.0
#pragma once
// The keys of a run that have no effect because of other keys, in one table. A key that would change what is trained is
// refused then, and others are warned of. Values that a run has already are accepted, so that its run.ini and
// configuration files of earlier versions keep working.

#include <span>

#include "apps/pretrain/idle_option.h"
#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/run_keys.h"

namespace pretrain {

std::span<const IdleOption<RunConfiguration>> idle_keys();

/// Checks for given keys without effect. `values`: what the given keys lead to, resolved; `saved`: the values of the run
/// that continues or of a branch's parent, null for a new run.
/// Errors: kUsage for the first key that is fixed for a run.
void refuse_idle_keys(const KeyValues& given, const KeyValues& values, const KeyValues* saved = nullptr);

/// Warns of the others.
void report_idle_keys(const KeyValues& given, const KeyValues& values, const KeyValues* saved = nullptr);

}  // namespace pretrain
