// SPDX-License-Identifier: Apache-2.0
#pragma once
// Manual pages in the macros of man(7), from the tables of commands and options.

#include <span>
#include <string>

#include "apps/pretrain/command_help.h"

namespace pretrain {

/// pretrain(1): all commands, environment, files, exit codes.
std::string program_page(std::span<const CommandManual> manuals);
/// pretrain-NAME(1).
std::string command_page(const CommandManual& manual);
/// pretrain.conf(5): the keys of a run.
std::string configuration_page();

}  // namespace pretrain
