// SPDX-License-Identifier: Apache-2.0
#pragma once
// Commands as the user can type them. Thread-safe: free functions.

#include <string>
#include <string_view>

#include "libs/base/file.h"

namespace pretrain {

/// `word`, quoted for a shell if necessary: with `$'...'` of bash and zsh if it has characters that logs show escaped.
std::string shell_word(const std::string& word);
/// The same for a path, which no command takes for an option.
std::string shell_path(const Path& path);
/// The command, with --state unless each shell of the user takes this folder by default: not one that a service
/// manager or a variable of one shell has chosen.
std::string command_on(std::string_view command, const Path& state_folder);
/// The same for "pretrain resume".
std::string resume_command(const Path& state_folder);

}  // namespace pretrain
