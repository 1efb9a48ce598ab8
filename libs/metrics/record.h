// SPDX-License-Identifier: Apache-2.0
#pragma once
// The records of a run: their kinds, and what all of them have in common. FORMAT.md describes each key.
// Thread-safe: free functions.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace pretrain {

/// Within a schema, a key keeps its meaning and unit.
constexpr uint64_t kRecordSchema = 1;

/// The value of `kind`. For a record of version 0.2.0, which has none, the kind that its keys show; empty for
/// an unknown record.
std::string_view kind_of(const nlohmann::json& record);

/// Whether the record stays when the run returns to an earlier step: it says what happened to the run, not
/// what was trained.
bool outlives_return(std::string_view kind);

/// The step; nothing for a record without one.
std::optional<uint64_t> step_of(const nlohmann::json& record);

/// A finite number; nothing if the key is absent, null or of another type.
std::optional<double> number_of(const nlohmann::json& record, const char* key);

/// A text; empty if the key is absent or of another type.
std::string text_of(const nlohmann::json& record, const char* key);

/// Seconds since 1970, in whole milliseconds.
double seconds_since_1970(std::chrono::system_clock::time_point time);

}  // namespace pretrain
