// SPDX-License-Identifier: Apache-2.0
#pragma once
// The rules of comments in headers. Works on text, so that a test can plant a violation. Pure functions.

#include <string>
#include <string_view>
#include <vector>

namespace pretrain::test {

/// Labels of contracts (as in style: "Errors" and a colon) that do not begin the line of their comment, where
/// readers look for them: "path:line: why", one for each.
std::vector<std::string> label_faults(std::string_view path, std::string_view content);

/// How many contract labels begin their line.
size_t count_labels(std::string_view content);

}  // namespace pretrain::test
