// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/value_text.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/base/number.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

/// Lower case, and '-' for '_' and blanks: these are easily mixed up.
std::string folded(std::string_view name) {
  std::string text(name);
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '_' || c == ' ') c = '-';
  }
  return text;
}

/// The number of letters to insert, remove, replace or swap with the next one.
/// Source: the optimal string alignment distance.
size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  std::iota(d[0].begin(), d[0].end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({replaced, d[i - 1][j] + 1, d[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d.back().back();
}

std::string without_dashes(std::string text) {
  std::erase(text, '-');
  return text;
}

}  // namespace

uint64_t read_count(const std::string& text, uint64_t least, uint64_t most) {
  const auto value = parse_count(text);
  if (value && *value >= least && *value <= most) return *value;
  if (most == std::numeric_limits<uint64_t>::max())
    fail(ErrorKind::kUsage, "must be an integer of at least {}, such as 500, 10k or 2M (got {})",
         format_count(least), text);
  fail(ErrorKind::kUsage, "must be an integer between {} and {} (got {})", format_count(least),
       format_count(most), text);
}

double read_number(const std::string& text, double least, double most) {
  const auto value = parse_number<double>(text);
  if (value && *value >= least && *value <= most) return *value;
  fail(ErrorKind::kUsage, "must be a number between {} and {} (got {})", least, most, text);
}

std::string write_number(double value) {
  return fmt::format("{}", value);
}

std::chrono::milliseconds read_duration(const std::string& text) {
  return parse_duration(text);
}

std::string write_duration(std::chrono::milliseconds duration) {
  return exact_duration(duration);
}

uint64_t read_size(const std::string& text) {
  return parse_bytes(text);
}

std::string write_size(uint64_t bytes) {
  if (bytes > 0 && bytes % 1_GiB == 0) return fmt::format("{}G", bytes / 1_GiB);
  if (bytes > 0 && bytes % 1_MiB == 0) return fmt::format("{}M", bytes / 1_MiB);
  return std::to_string(bytes);
}

size_t read_choice(const std::string& text, std::span<const std::string_view> words) {
  const auto found = std::ranges::find(words, text);
  if (found != words.end()) return static_cast<size_t>(found - words.begin());
  const size_t last = words.size() - 1;
  const std::string list = last == 0
                               ? std::string(words[0])
                               : fmt::format("{} or {}", fmt::join(words.first(last), ", "), words[last]);
  fail(ErrorKind::kUsage, "must be {} (got {}){}", list, text, did_you_mean("", text, words));
}

Path read_path(const std::string& text) {
  if (text.find("://") != std::string::npos) {
    fail(ErrorKind::kUsage,
         "must be a path, not a web address (got {}); download the file first (deploy/fetch-wikipedia.sh "
         "downloads Wikipedia) and pass its path",
         text);
  }
  return std::filesystem::absolute(text).lexically_normal();
}

Path read_output_path(const std::string& text) {
  return text == "-" ? Path(text) : read_path(text);
}

std::string joined_list(std::span<const std::string> texts) {
  const auto needs_json = [](const std::string& text) {
    return text.empty() || text.starts_with('[') || text.find('\n') != std::string::npos;
  };
  if (std::ranges::any_of(texts, needs_json))
    return nlohmann::json(std::vector<std::string>(texts.begin(), texts.end()))
        .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return fmt::format("{}", fmt::join(texts, "\n"));
}

namespace {

/// Nothing when it is not a JSON list of texts.
std::optional<std::vector<std::string>> list_of_texts(const std::string& joined) {
  try {
    const nlohmann::json array = parse_json(joined);
    const auto is_text = [](const nlohmann::json& value) { return value.is_string(); };
    if (array.is_array() && std::ranges::all_of(array, is_text)) return array.get<std::vector<std::string>>();
  } catch (const Error&) {  // then it is a path that only looks like a list
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> split_list(const std::string& joined) {
  std::vector<std::string> texts;
  if (joined.starts_with('[')) {  // an absolute path never does
    if (const auto list = list_of_texts(joined)) return *list;
  }
  for (size_t from = 0; from < joined.size();) {
    const size_t end = std::min(joined.find('\n', from), joined.size());
    if (end > from) texts.push_back(joined.substr(from, end - from));
    from = end + 1;
  }
  return texts;
}

std::string nearest_name(std::string_view given, std::span<const std::string_view> names) {
  const std::string wanted = folded(given.substr(0, 64));  // no name is as long as that
  const std::string plain = without_dashes(wanted);
  if (plain.empty()) return "";
  std::string_view best;
  size_t fewest = std::max<size_t>(1, plain.size() / 3) + 1;
  for (const std::string_view name : names) {
    const std::string known = folded(name);
    if (known == wanted || without_dashes(known) == plain) return std::string(name);
    size_t edits = std::min(edits_between(wanted, known), edits_between(plain, without_dashes(known)));
    // "valid" for "validation-tokens": the beginning of a name counts like one wrong letter.
    if (plain.size() >= 3 && (known.starts_with(wanted) || wanted.starts_with(known + "-")))
      edits = std::min<size_t>(edits, 1);
    if (edits < fewest) {
      fewest = edits;
      best = name;
    }
  }
  return std::string(best);
}

std::string did_you_mean(std::string_view prefix, std::string_view given,
                         std::span<const std::string_view> names) {
  const std::string name = nearest_name(given, names);
  return name.empty() ? "" : fmt::format("; did you mean {}{}?", prefix, name);
}

}  // namespace pretrain
