#pragma once
// What `pretrain bench` prints for a reader.

#include <nlohmann/json.hpp>

namespace pretrain {

/// The tables of a report; requires what bench_command() puts in it.
void print_bench_report(const nlohmann::json& report);

}  // namespace pretrain
