// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/log_cut.h"

#include <algorithm>
#include <span>
#include <string>

#include "libs/metrics/record.h"
#include "libs/metrics/record_lines.h"

namespace pretrain {
namespace {

std::string text_at(const ReadableFile& log, uint64_t begin, uint64_t end) {
  std::string text(end - begin, '\0');
  text.resize(log.read_at(begin, std::as_writable_bytes(std::span(text))));
  return text;
}

/// The step of a record, or nothing.
std::optional<uint64_t> step_of(const std::optional<nlohmann::json>& record) {
  return record ? pretrain::step_of(*record) : std::nullopt;
}

/// Whether the last line before the position is complete and has no later step.
bool fits_before(const ReadableFile& log, uint64_t place, uint64_t step) {
  const uint64_t begin = place - std::min(place, kLongestLine);
  const std::string text = text_at(log, begin, place);
  if (text.empty()) return true;
  if (text.back() != '\n') return false;
  const size_t line = text.rfind('\n', text.size() - 2);
  const auto record = record_of(std::string_view(text).substr(line == std::string::npos ? 0 : line + 1));
  return record.has_value() && step_of(record).value_or(0) <= step;
}

/// Whether the first line after the position, if it is complete, has no earlier step.
bool fits_after(const ReadableFile& log, uint64_t place, uint64_t step) {
  const std::string text = text_at(log, place, std::min(log.size(), place + kLongestLine));
  const size_t end = text.find('\n');
  if (end == std::string::npos) return true;
  return step_of(record_of(std::string_view(text).substr(0, end))).value_or(step) >= step;
}

/// The end of the complete records up to a step.
uint64_t end_of_records(const ReadableFile& log, uint64_t step) {
  uint64_t cut = 0;
  while (true) {
    const std::string text = text_at(log, cut, std::min(log.size(), cut + kLongestLine));
    size_t begin = 0;
    for (size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const auto record = record_of(std::string_view(text).substr(begin, end - begin));
      if (!record || step_of(record).value_or(0) > step) return cut + begin;
    }
    if (begin == 0) return cut;  // the end of the file, or a line longer than any record
    cut += begin;
  }
}

}  // namespace

LogCut find_log_cut(const ReadableFile& log, uint64_t offset_bytes, uint64_t step) {
  if (offset_bytes <= log.size() && fits_before(log, offset_bytes, step) &&
      fits_after(log, offset_bytes, step)) {
    return {.offset_bytes = offset_bytes};
  }
  return {.offset_bytes = end_of_records(log, step), .as_saved = false};
}

}  // namespace pretrain
