// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/format_document.h"

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace pretrain::test {
namespace {

using Segments = std::vector<std::string>;

/// A key that a file holds, and its type: a JSON type, or an element type and a number of dimensions.
struct Written {
  Segments path;
  std::string type;
  size_t dimensions = 0;

  std::string name() const { return fmt::format("{}", fmt::join(path, ".")); }
};

Segments split(std::string_view path) {
  Segments segments;
  std::istringstream text{std::string(path)};
  for (std::string segment; std::getline(text, segment, '.');) segments.push_back(segment);
  return segments;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// 0: not a heading.
size_t heading_level(const std::string& line) {
  const size_t level = line.find_first_not_of('#');
  return level != std::string::npos && level > 0 && line[level] == ' ' ? level : 0;
}

std::string title_of(const std::string& line) {
  return line.substr(heading_level(line) + 1);
}

/// "`name`" and "type" of "| `name` | type | ...".
std::optional<std::pair<std::string, std::string>> row_of(const std::string& line) {
  constexpr std::string_view kBegin = "| `", kMiddle = "` | ";
  const size_t end = line.find(kMiddle);
  if (!line.starts_with(kBegin) || end == std::string::npos) return std::nullopt;
  const size_t type = end + kMiddle.size();
  return std::pair(line.substr(kBegin.size(), end - kBegin.size()),
                   line.substr(type, line.find(" |", type) - type));
}

bool segment_matches(const std::string& pattern, const std::string& segment) {
  if (pattern == "*") return true;
  const bool is_number = !segment.empty() && segment.find_first_not_of("0123456789") == std::string::npos;
  return pattern == segment || (pattern == "N" && is_number);
}

bool matches(const Segments& pattern, const Segments& path) {
  const bool open = !pattern.empty() && pattern.back() == "**";
  const size_t fixed = pattern.size() - (open ? 1 : 0);
  if (open ? path.size() <= fixed : path.size() != fixed) return false;
  return std::equal(pattern.begin(), pattern.begin() + static_cast<std::ptrdiff_t>(fixed), path.begin(),
                    segment_matches);
}

size_t wildcards(const std::string& pattern) {
  return static_cast<size_t>(std::ranges::count(pattern, '*'));
}

/// The key whose pattern is the most specific one for this path; end() when none is.
FormatKeys::const_iterator documented(const FormatKeys& keys, const Segments& path) {
  auto best = keys.end();
  for (auto key = keys.begin(); key != keys.end(); ++key) {
    if (!matches(split(key->first), path)) continue;
    if (best == keys.end() || wildcards(key->first) < wildcards(best->first)) best = key;
  }
  return best;
}

bool type_fits(const std::string& documented, const Written& written) {
  std::string words;
  for (const char c : documented) words += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : ' ';
  std::istringstream text(words);
  for (std::string word; text >> word;) {
    if (word == written.type || (word == "number" && written.type == "integer")) return true;
  }
  return false;
}

bool dimensions_fit(const std::string& documented, const Written& written) {
  const size_t begin = documented.find('['), end = documented.find(']');
  if (begin == std::string::npos || end == std::string::npos) return true;
  const auto commas = std::count(documented.begin() + static_cast<std::ptrdiff_t>(begin),
                                 documented.begin() + static_cast<std::ptrdiff_t>(end), ',');
  return written.dimensions == static_cast<size_t>(commas) + 1;
}

/// The pattern of the key that holds this one; "" for a key at the top.
std::string holder_of(const std::string& key) {
  const size_t dot = key.rfind('.');
  return dot == std::string::npos ? "" : key.substr(0, dot);
}

/// Whether a file that lacks the key is incomplete. Lists and tables with names of their own may be empty.
bool is_required(const std::string& key, const FormatKeys& keys, const std::set<std::string>& holders) {
  if (keys.at(key).optional || key.ends_with("[]") || key.ends_with('*')) return false;
  const std::string holder = holder_of(key);
  return !keys.contains(holder) || holders.contains(holder);
}

std::vector<std::string> faults_of(const FormatKeys& keys, const std::vector<Written>& file) {
  std::set<std::string> seen;
  std::set<std::string> holders;  // of those, what is not null
  std::set<std::string> faults;
  for (const Written& written : file) {
    const auto key = documented(keys, written.path);
    if (key == keys.end()) {
      faults.insert(fmt::format("{} is written and not documented", written.name()));
      continue;
    }
    seen.insert(key->first);
    if (written.type != "null") holders.insert(key->first);
    if (!type_fits(key->second.type, written) || !dimensions_fit(key->second.type, written)) {
      faults.insert(fmt::format("{} is documented as {} and is {} of {} dimensions", written.name(),
                                key->second.type, written.type, written.dimensions));
    }
  }
  for (const auto& [key, _] : keys) {
    if (!seen.contains(key) && is_required(key, keys, holders))
      faults.insert(fmt::format("{} is documented and not written", key));
  }
  return {faults.begin(), faults.end()};
}

std::string type_of(const nlohmann::json& value) {
  if (value.is_number_integer()) return "integer";
  return value.type_name();
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the program's own files
void collect(const nlohmann::json& value, const Segments& path, std::vector<Written>& all) {
  if (!path.empty()) all.push_back({path, type_of(value)});
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) {
      Segments below = path;
      below.push_back(key);
      collect(inner, below, all);
    }
  } else if (value.is_array()) {
    Segments below = path;
    below.back() += "[]";
    for (const nlohmann::json& element : value) collect(element, below, all);
  }
}

}  // namespace

FormatKeys format_keys(std::string_view document, std::string_view title) {
  FormatKeys keys;
  bool inside = false;
  for (const std::string& line : lines_of(document)) {
    if (heading_level(line) > 0) inside = title_of(line) == title;
    const auto row = inside ? row_of(line) : std::nullopt;
    if (!row) continue;
    constexpr std::string_view kOptional = ", optional";
    keys[row->first] = {.type = row->second, .optional = row->second.ends_with(kOptional)};
  }
  return keys;
}

std::vector<std::string> format_titles(std::string_view document, std::string_view within) {
  std::vector<std::string> titles;
  size_t outer = 0;
  for (const std::string& line : lines_of(document)) {
    const size_t level = heading_level(line);
    if (level == 0) continue;
    if (level <= outer) outer = 0;
    if (outer > 0) titles.push_back(title_of(line));
    if (title_of(line) == within) outer = level;
  }
  return titles;
}

std::vector<std::string> format_faults(const FormatKeys& keys, const nlohmann::json& value) {
  std::vector<Written> written;
  collect(value, {}, written);
  return faults_of(keys, written);
}

std::vector<std::string> format_faults(const FormatKeys& keys, const SafetensorsFile& file) {
  std::vector<Written> written;
  for (const auto& [key, _] : file.metadata()) written.push_back({{"__metadata__", key}, "string"});
  for (const auto& [name, tensor] : file.tensors())
    written.push_back({split(name), std::string(name_of(tensor.dtype)), tensor.shape.size()});
  return faults_of(keys, written);
}

}  // namespace pretrain::test
