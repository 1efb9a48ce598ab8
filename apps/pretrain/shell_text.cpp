// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/shell_text.h"

#include <string_view>

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

std::string resume_command(const Path& state_folder) {
  const std::string command = "pretrain resume";
  try {
    if (state_folder_of({}) == state_folder) return command;
  } catch (const Error&) {
    // Without a default folder, --state is needed.
  }
  return command + " --state " + shell_word(state_folder.string());
}

}  // namespace pretrain
