// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads the kernel's text files (/proc, control groups). Stateless, thread-safe.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/base/file.h"

namespace pretrain {

/// The content of a file of at most 1 MiB. Empty when the file is absent or can't be read, because a hardened
/// service may hide parts of /proc; callers need a fallback.
std::string kernel_text(const Path& path);

/// The number after a key that begins a line, separated from it by blanks or a colon: "MemTotal: 5 kB".
/// Nothing when there is no such line, or no number in it.
std::optional<uint64_t> number_of_key(std::string_view text, std::string_view key);

/// The number that the text begins with, blanks before it skipped. Nothing for "max" or "-1".
std::optional<uint64_t> leading_number(std::string_view text);

}  // namespace pretrain
