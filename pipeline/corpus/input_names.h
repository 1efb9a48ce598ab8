// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names of the inputs of a corpus, to distinguish files with the same name. Thread-safe: pure function.

#include <string>
#include <vector>

#include "libs/base/file.h"

namespace pretrain {

/// For each folder, as many of its last components as distinguish it from all others: "en" and "fr" for /t/en
/// and /t/fr, "a/x" and "b/x" for /a/x and /b/x.
/// Requires: absolute, normal, no folder twice.
std::vector<std::string> distinct_names(const std::vector<Path>& folders);

}  // namespace pretrain
