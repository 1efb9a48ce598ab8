// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads and writes configuration files, which have one "key = value" on each line:
//
//   # A line that begins with # or ; is a comment. A byte order mark and CRLF line ends are allowed.
//   [train]                    the headings [train] and [pretrain] are allowed and ignored
//   corpus = /wiki/C# notes    text and paths are read literally, without blanks at both ends
//   steps = 10k  # a comment   after a number or a word and a blank, a comment may follow
//   state = "/with \"quotes\" and \n"     in double quotes, \\ \" \n \r \t are escapes
//   state = '/read literally'             in single quotes, there are no escapes

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain {

struct IniEntry {
  std::string key;
  std::string value;
  size_t line = 0;      ///< from 1
  bool quoted = false;  ///< then no part of it is a comment
};

/// Errors: kUsage, naming `file` and the line.
std::vector<IniEntry> parse_ini(std::string_view text, const std::string& file);

/// Removes a comment after a blank. Not for free text or paths, which may hold '#'.
std::string without_comment(const std::string& value);

/// The value as parse_ini() reads it back, quoted if necessary.
std::string ini_value(const std::string& value);

}  // namespace pretrain
