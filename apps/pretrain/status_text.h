// SPDX-License-Identifier: Apache-2.0
#pragma once
// The state of a run as text for a terminal.

#include <cstddef>
#include <string>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"

namespace pretrain {

/// Some lines of at most `columns` characters, from the answer to `status` (run_status.h).
std::string status_text(const Path& state, const nlohmann::json& status, size_t columns);

}  // namespace pretrain
