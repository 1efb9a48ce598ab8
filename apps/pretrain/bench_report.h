// SPDX-License-Identifier: Apache-2.0
#pragma once
// The report of `pretrain bench` as text.

#include <nlohmann/json.hpp>

namespace pretrain {

/// Prints the tables of a report.
/// Requires: a report made by bench_command().
void print_bench_report(const nlohmann::json& report);

}  // namespace pretrain
