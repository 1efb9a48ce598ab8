// SPDX-License-Identifier: Apache-2.0
#pragma once
// Completions for shells, from the tables of commands and options: scripts that hold everything, so that pressing the
// completion key runs no program.

#include <span>
#include <string>

#include "apps/pretrain/command_help.h"

namespace pretrain {

std::string bash_completions(std::span<const CommandManual> manuals);
std::string zsh_completions(std::span<const CommandManual> manuals);
std::string fish_completions(std::span<const CommandManual> manuals);

}  // namespace pretrain
