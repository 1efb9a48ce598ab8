// SPDX-License-Identifier: Apache-2.0
#pragma once
// The numbers of runs for Prometheus: deploy/monitoring/README.md lists them. Pure functions.

#include <string>

#include "apps/pretrain/run_view.h"
#include "libs/metrics/exposition.h"

namespace pretrain {

/// "pretrain_build_info".
void add_build_metrics(Exposition& exposition);

/// The metrics of a run, with the label `run`. What is not known is left out.
void add_run_metrics(Exposition& exposition, const RunView& run);

}  // namespace pretrain
