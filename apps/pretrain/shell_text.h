// SPDX-License-Identifier: Apache-2.0
#pragma once
// Commands as the user can type them. Thread-safe: free functions.

#include <string>
#include <string_view>

#include "libs/base/file.h"

namespace pretrain {

/// `word`, quoted for a shell if necessary.
std::string shell_word(const std::string& word);
/// The command, with --state unless it is the default folder.
std::string command_on(std::string_view command, const Path& state_folder);
/// The same for "pretrain resume".
std::string resume_command(const Path& state_folder);

}  // namespace pretrain
