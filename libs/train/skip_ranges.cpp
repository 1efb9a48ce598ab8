// SPDX-License-Identifier: Apache-2.0
#include "libs/train/skip_ranges.h"

#include <algorithm>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/number.h"

namespace pretrain {
namespace {

/// Far more than a user types; bounds the memory for a malicious file.
constexpr size_t kMostRanges = 10'000;

Path requests_file(const Path& state_folder) {
  return state_folder / "skip-steps.json";
}

/// A step must be exact in JSON, whose numbers are doubles in many programs.
std::optional<uint64_t> parse_step(std::string_view text) {
  const auto step = parse_number<uint64_t>(text);
  return step && *step > 0 && *step <= JsonField::kMostCount ? step : std::nullopt;
}

std::optional<SkipRanges::Range> parse_range(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = parse_step(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_step(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return SkipRanges::Range{*first, *last};
}

/// Whether two ranges neither overlap nor touch. Written without additions, which could overflow.
bool are_apart(const SkipRanges::Range& a, const SkipRanges::Range& b) {
  const auto before = [](const SkipRanges::Range& x, const SkipRanges::Range& y) {
    return x.last < y.first && y.first - x.last > 1;
  };
  return before(a, b) || before(b, a);
}

}  // namespace

std::optional<SkipRanges> SkipRanges::parse(std::string_view text) {
  SkipRanges ranges;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const auto range = parse_range(text.substr(begin, end - begin));
    if (!range) return std::nullopt;
    ranges.add(*range);
    begin = end + 1;
  }
  return ranges;
}

SkipRanges SkipRanges::from_json(const JsonField& list) {
  SkipRanges ranges;
  for (const JsonField& entry : list.elements(kMostRanges)) {
    const auto ends = entry.elements(2);
    if (ends.size() != 2) entry.fail_because("is not a range of steps");
    const Range range{ends[0].count(), ends[1].count()};
    if (range.first == 0 || range.last < range.first) entry.fail_because("is no range of steps");
    ranges.add(range);
  }
  return ranges;
}

nlohmann::json SkipRanges::to_json() const {
  nlohmann::json json = nlohmann::json::array();
  for (const Range& range : ranges_) json.push_back({range.first, range.last});
  return json;
}

std::string SkipRanges::to_string() const {
  std::string text;
  for (const Range& range : ranges_) {
    if (!text.empty()) text += ',';
    text += range.first == range.last ? fmt::format("{}", range.first)
                                      : fmt::format("{}-{}", range.first, range.last);
  }
  return text;
}

/// Merges the range with those that it overlaps or touches.
void SkipRanges::add(const Range& range) {
  Range joined = range;
  std::vector<Range> ranges;
  for (const Range& other : ranges_) {
    if (are_apart(other, joined)) {
      ranges.push_back(other);
    } else {
      joined = {std::min(joined.first, other.first), std::max(joined.last, other.last)};
    }
  }
  ranges.push_back(joined);
  std::ranges::sort(ranges, {}, &Range::first);
  ranges_ = std::move(ranges);
}

void SkipRanges::add(const SkipRanges& other) {
  for (const Range& range : other.ranges_) add(range);
}

/// Linear: there are few ranges, since touching ones are merged.
std::optional<SkipRanges::Range> SkipRanges::range_of(uint64_t step) const {
  for (const Range& range : ranges_) {
    if (step >= range.first && step <= range.last) return range;
  }
  return std::nullopt;
}

/// A file of its own, because the requests must last until the next checkpoint, which then holds them.
SkipRanges load_skip_requests(const Path& state_folder) {
  const Path path = requests_file(state_folder);
  if (!file_exists(path)) return {};
  const nlohmann::json document = read_json(path, Links::kRefuse);
  return SkipRanges::from_json(JsonField(document, path.string(), "remove it and give the steps again"));
}

/// Replaces the file atomically, so that a crash leaves either the old or the new requests.
void save_skip_requests(FileSystem& files, const Path& state_folder, const SkipRanges& ranges) {
  const Path path = requests_file(state_folder);
  if (!ranges.empty()) {
    write_file_atomically(files, path, ranges.to_json().dump() + "\n");
  } else if (file_exists(path)) {
    files.remove_file(path);
    files.sync_folder(state_folder);
  }
}

}  // namespace pretrain
