// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/shell_text.h"

#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "apps/pretrain/configuration.h"
#include "libs/base/error.h"

namespace pretrain {

std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,:@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string command_on(std::string_view command, const Path& state_folder) {
  const bool is_chosen =
      std::getenv("STATE_DIRECTORY") != nullptr || std::getenv("PRETRAIN_STATE") != nullptr;
  try {
    if (!is_chosen && state_folder_of({}) == state_folder) return std::string(command);
  } catch (const Error&) {
    // Without a default folder, --state is needed.
  }
  return fmt::format("{} --state {}", command, shell_word(state_folder.string()));
}

std::string resume_command(const Path& state_folder) {
  return command_on("pretrain resume", state_folder);
}

}  // namespace pretrain
