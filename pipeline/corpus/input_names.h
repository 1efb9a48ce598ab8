#pragma once
// Names for the inputs of a corpus, for files that have the same name in several of them. Thread-safe: pure
// function.

#include <string>
#include <vector>

#include "libs/base/file.h"

namespace pretrain {

/// For each folder as many of its last components as tell it from all others: /t/en and /t/fr are "en" and
/// "fr", /a/x and /b/x are "a/x" and "b/x".
/// Requires: absolute, normal, no folder twice.
std::vector<std::string> distinct_names(const std::vector<Path>& folders);

}  // namespace pretrain
