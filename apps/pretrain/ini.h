#pragma once
// Configuration files: one "key = value" a line.
//
//   # A line that begins with # or ; is a comment. A byte order mark and CRLF line ends do no harm.
//   [train]                    the headings [train] and [pretrain] are allowed and mean nothing
//   corpus = /wiki/C# notes    text and paths are taken as they are, blanks at both ends left out
//   steps = 10k  # a comment   after a number or a word, a comment may follow a blank
//   state = "/with \"quotes\" and \n"     double quotes: \\ \" \n \r \t are understood
//   state = '/taken as it is'             single quotes: nothing is

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain {

struct IniEntry {
  std::string key;
  std::string value;
  size_t line = 0;      ///< from 1
  bool quoted = false;  ///< then nothing in it can be a comment
};

/// Errors: kUsage, naming `file` and the line.
std::vector<IniEntry> parse_ini(std::string_view text, const std::string& file);

/// The value without a comment that follows a blank; for values that are no free text.
std::string without_comment(const std::string& value);

/// The value as parse_ini() reads it back, quoted where that is necessary.
std::string ini_value(const std::string& value);

}  // namespace pretrain
