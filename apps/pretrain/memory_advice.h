// SPDX-License-Identifier: Apache-2.0
#pragma once
// Advice for a command that ran out of memory.

#include <string_view>

#include "apps/pretrain/commands.h"

namespace pretrain {

/// Completes "out of memory; ...", with options that the command takes.
std::string_view memory_advice(const Arguments& arguments);

}  // namespace pretrain
