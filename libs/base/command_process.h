// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs a command of the user in a shell, for a limited time.

#include <chrono>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace pretrain {

struct CommandRequest {
  std::string command;                                                ///< for /bin/sh -c
  std::vector<std::pair<std::string, std::string>> environment = {};  ///< in addition to the process's own
  std::string input = {};                                             ///< on its standard input
  std::chrono::milliseconds most{std::chrono::seconds(30)};           ///< then it is killed with its children
};

/// Runs it to its end. Its output goes where this process's does. Returns "" if it succeeded, else what
/// happened, such as "ended with exit code 1" or "did not end within 30 s".
/// Errors: none; a failed start is a result.
std::string run_user_command(const CommandRequest& request, const std::stop_token& stop = {});

}  // namespace pretrain
