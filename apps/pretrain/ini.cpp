// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/ini.h"

#include "libs/base/error.h"

namespace pretrain {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

struct Place {
  const std::string& file;
  size_t line;

  [[noreturn]] void refuse(const std::string& why) const {
    fail(ErrorKind::kUsage, "{}, line {}: {}", file, line, why);
  }
};

void check_heading(std::string_view text, const Place& place) {
  const std::string_view name = text.ends_with(']') ? trimmed(text.substr(1, text.size() - 2)) : "";
  if (name == "train" || name == "pretrain") return;
  place.refuse(fmt::format("unknown heading {}; write the keys without a heading, or below [train]", text));
}

/// The character that an escape in double quotes means; '\0' for an unknown escape.
char escaped(char letter) {
  switch (letter) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case '"':
    case '\\':
      return letter;
    default:
      return '\0';
  }
}

/// The text between quotes. Only a comment may follow the closing quote.
std::string unquoted(std::string_view text, const Place& place) {
  const char quote = text.front();
  std::string value;
  size_t i = 1;
  for (; i < text.size() && text[i] != quote; ++i) {
    if (quote == '"' && text[i] == '\\' && i + 1 < text.size()) {
      const char meant = escaped(text[++i]);
      if (meant == '\0')
        place.refuse(
            fmt::format("unknown escape \\{}; write \\\\ for a backslash, or use single quotes", text[i]));
      value += meant;
    } else {
      value += text[i];
    }
  }
  if (i == text.size()) place.refuse(fmt::format("the quote {} is not closed", quote));
  const std::string_view rest = trimmed(text.substr(i + 1));
  if (!rest.empty() && rest.front() != '#' && rest.front() != ';')
    place.refuse(fmt::format("unexpected '{}' after the closing quote; only a comment may follow", rest));
  return value;
}

IniEntry parse_entry(std::string_view text, const Place& place) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    place.refuse(fmt::format("must be key = value, or a comment that begins with # (got '{}')", text));
  IniEntry entry{.key = std::string(trimmed(text.substr(0, equals))), .value = "", .line = place.line};
  if (entry.key.empty()) place.refuse("no key before '='");
  const std::string_view value = trimmed(text.substr(equals + 1));
  entry.quoted = !value.empty() && (value.front() == '"' || value.front() == '\'');
  entry.value = entry.quoted ? unquoted(value, place) : std::string(value);
  return entry;
}

}  // namespace

std::vector<IniEntry> parse_ini(std::string_view text, const std::string& file) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  // Windows calls it "Unicode".
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    Place{file, 1}.refuse("this is UTF-16; save the file as UTF-8");
  std::vector<IniEntry> entries;
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view content = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const Place place{file, line};
    if (content.find('\0') != std::string_view::npos)
      place.refuse("contains a zero byte; this is not a text file");
    if (content.empty() || content.front() == '#' || content.front() == ';') continue;
    if (content.front() == '[') {
      check_heading(content, place);
    } else {
      entries.push_back(parse_entry(content, place));
    }
  }
  return entries;
}

std::string without_comment(const std::string& value) {
  for (size_t i = 1; i < value.size(); ++i) {
    const bool begins = value[i] == '#' || value[i] == ';';
    if (begins && (value[i - 1] == ' ' || value[i - 1] == '\t'))
      return std::string(trimmed(std::string_view(value).substr(0, i)));
  }
  return value;
}

std::string ini_value(const std::string& value) {
  const bool plain = !value.empty() && trimmed(value) == value &&
                     value.find_first_of("\n\r\t\"\\") == std::string::npos && value.front() != '\'';
  if (plain) return value;
  std::string quoted = "\"";
  for (const char c : value) {
    switch (c) {
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      case '"':
      case '\\':
        quoted += '\\';
        [[fallthrough]];
      default:
        quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace pretrain
