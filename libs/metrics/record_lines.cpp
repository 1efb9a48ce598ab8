// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/record_lines.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <span>

#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/metrics/record.h"

namespace pretrain {

/// Drops what was returned and reads as much again. False at the end of the file.
bool LineReader::read_more() {
  constexpr size_t kBlock = 65536;
  block_start_ += begin_;
  block_.erase(0, begin_);
  begin_ = 0;
  const size_t old = block_.size();
  block_.resize(old + kBlock);
  const size_t n = file_.read_at(block_start_ + old, std::as_writable_bytes(std::span(block_)).subspan(old));
  block_.resize(old + n);
  return n > 0;
}

std::optional<std::string_view> LineReader::next() {
  size_t searched = begin_;
  while (true) {
    const size_t end = block_.find('\n', searched);
    if (end != std::string::npos) {
      const std::string_view line = std::string_view(block_).substr(begin_, end - begin_);
      begin_ = end + 1;
      return line;
    }
    if (block_.size() - begin_ > kLongestLine) {
      const std::string_view piece = std::string_view(block_).substr(begin_);
      begin_ = block_.size();
      return piece;
    }
    const size_t rest = block_.size() - begin_;
    if (!read_more()) return std::nullopt;
    searched = rest;
  }
}

std::optional<nlohmann::json> record_of(std::string_view line) {
  try {
    nlohmann::json record = parse_json(line);
    if (record.is_object()) return record;
  } catch (const Error&) {  // not a record
  }
  return std::nullopt;
}

namespace {

struct FoundStep {
  uint64_t line = 0;  // where it starts
  uint64_t step = 0;
};

/// The first record with a step that starts between the offsets.
std::optional<FoundStep> first_step_between(const ReadableFile& file, uint64_t begin, uint64_t end) {
  LineReader lines(file, begin);
  if (begin > 0) lines.next();  // the rest of a line
  while (lines.offset() < end) {
    const uint64_t start = lines.offset();
    const auto line = lines.next();
    if (!line) return std::nullopt;
    const auto record = record_of(*line);
    if (!record) continue;
    if (const auto step = step_of(*record)) return FoundStep{start, *step};
  }
  return std::nullopt;
}

bool is_closed_segment(std::string_view name) {
  constexpr std::string_view kBegin = "metrics-", kEnd = ".jsonl";
  if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) return false;
  if (name.size() < kBegin.size() + 6 + kEnd.size()) return false;
  const auto number = name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
  return std::ranges::all_of(number, [](unsigned char c) { return std::isdigit(c) != 0; });
}

/// Empty if the file was renamed meanwhile.
std::optional<ReadableFile> open_segment(const Path& path) {
  try {
    return ReadableFile(path, Links::kRefuse);
  } catch (const IoError& error) {
    if (error.code() == ENOENT) return std::nullopt;
    throw;
  }
}

}  // namespace

uint64_t seek_step(const ReadableFile& file, uint64_t step) {
  constexpr uint64_t kReadAtOnce = 262'144;
  uint64_t low = 0, high = file.size();
  while (high - low > kReadAtOnce) {
    const uint64_t middle = low + (high - low) / 2;
    const auto found = first_step_between(file, middle, high);
    if (found && found->step < step) {
      low = found->line;
    } else {
      high = middle;
    }
  }
  return low;
}

std::vector<Path> log_segments(const Path& state) {
  std::vector<std::string> closed;
  for (const FolderEntry& entry : list_folder(state)) {
    if (entry.is_regular && !entry.is_link && is_closed_segment(entry.name)) closed.push_back(entry.name);
  }
  // By number: after a million segments, the names are longer.
  std::ranges::sort(
      closed, [](const auto& a, const auto& b) { return std::pair(a.size(), a) < std::pair(b.size(), b); });
  std::vector<Path> paths;
  for (const std::string& name : closed) paths.push_back(state / name);
  if (file_exists(state / "metrics.jsonl")) paths.push_back(state / "metrics.jsonl");
  return paths;
}

void read_segments(const std::vector<Path>& segments, uint64_t first_step, uint64_t last_step,
                   const OnRecord& on_record) {
  // Backwards to the segment that begins before the first step.
  size_t first = segments.size();
  while (first > 0) {
    const auto file = open_segment(segments[--first]);
    if (!file) continue;
    const auto found = first_step_between(*file, 0, file->size());
    if (found && found->step < first_step) break;
  }
  for (; first < segments.size(); ++first) {
    const auto file = open_segment(segments[first]);
    if (!file) continue;
    LineReader lines(*file, seek_step(*file, first_step));
    while (const auto line = lines.next()) {
      const auto record = record_of(*line);
      const auto step = record ? step_of(*record) : std::nullopt;
      if (!step || *step < first_step) continue;
      if (*step > last_step) return;
      on_record(*record);
    }
  }
}

void read_log(const Path& state, uint64_t first_step, uint64_t last_step, const OnRecord& on_record) {
  read_segments(log_segments(state), first_step, last_step, on_record);
}

}  // namespace pretrain
