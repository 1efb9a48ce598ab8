// SPDX-License-Identifier: Apache-2.0
#pragma once
// An event of a run in words, for a list that the user reads. Pure functions.

#include <string>

#include <nlohmann/json.hpp>

#include "libs/metrics/record_reader.h"

namespace pretrain {

/// The record; an object without members for a damaged line.
nlohmann::json event_json(const RecordedEvent& event);

/// "8.4 MB in 20 ms", "validation loss 5.068, 2.544 bits per byte". A record of an unknown kind is its JSON. The
/// text may hold what a file said: show it as text.
std::string event_words(const nlohmann::json& event);

}  // namespace pretrain
