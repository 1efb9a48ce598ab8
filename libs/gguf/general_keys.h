// SPDX-License-Identifier: Apache-2.0
#pragma once
// The keys that a GGUF file of any model begins with. Stateless, thread-safe.
// Source: gguf-py/gguf/constants.py of llama.cpp.

#include <string>
#include <string_view>
#include <vector>

#include "libs/gguf/content.h"

namespace pretrain {

/// Keys general.*: the architecture, the name that users see, and what most matrices are stored as.
std::vector<GgufEntry> general_entries(std::string_view architecture, const std::string& name,
                                       ElementType type);

}  // namespace pretrain
