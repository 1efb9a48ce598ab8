// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/shell_text.h"

#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "apps/pretrain/configuration.h"
#include "libs/base/error.h"
#include "libs/base/text.h"

namespace pretrain {

namespace {

/// In the quotes of bash and zsh that take escapes.
std::string with_escapes(std::string_view word) {
  std::string quoted = "$'";
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'' || c == '\\') {
      quoted += {'\\', c};
    } else if (byte < ' ' || byte > '~') {
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace

/// A terminal or a log would show other characters than these in plain quotes, or a line break.
std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,:@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  if (printable(word) != word) return with_escapes(word);
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string shell_path(const Path& path) {
  return shell_word(path.native().starts_with('-') ? "./" + path.native() : path.native());
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
