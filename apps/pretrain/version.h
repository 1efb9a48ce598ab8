// SPDX-License-Identifier: Apache-2.0
#pragma once
// What this program is: version, commit, build and libraries. Thread-safe: free functions.

#include <string>
#include <string_view>

namespace pretrain {

/// The commit that the program was built from: 12 digits, with "+changes" if files differed from it; "unknown"
/// without git. In a source that each build writes when the commit has changed (commit.cmake).
std::string_view build_commit();

/// Such as "0.3.0".
std::string_view program_version();

/// When this version was released, such as "2026-11-14"; from CHANGELOG.md.
std::string_view release_date();

/// What `pretrain --version` prints.
std::string version_text();

}  // namespace pretrain
