#include "libs/metrics/step_log.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "libs/base/json.h"

namespace pretrain {
namespace {

/// Nothing for a line that is torn or no record.
std::optional<nlohmann::json> object_of(std::string_view line) {
  try {
    nlohmann::json record = parse_json(line);
    if (record.is_object()) return record;
  } catch (const Error&) {  // the line is not kept
  }
  return std::nullopt;
}

}  // namespace

StepLog::StepLog(FileSystem& files, Path folder, const StepLogPosition& position, const Options& options,
                 const Keeps& keeps)
    : files_(files), folder_(std::move(folder)), options_(options), position_(position) {
  try {
    restore_segment();
    const uint64_t size = file_exists(current()) ? ReadableFile(current(), Links::kRefuse).size() : 0;
    const std::string kept = keeps ? kept_lines(size, keeps) : "";
    open(std::min(size, position_.offset_bytes));
    if (kept.empty()) return;
    file_->write(kept);
    position_.offset_bytes += kept.size();
  } catch (const IoError& error) {
    note_failure(error);
  }
}

void StepLog::note_failure(const IoError& error) {
  ++failed_writes_;
  last_error_ = error.what();
  file_.reset();  // opened anew at the last whole record
}

/// Lines after the position that are to stay.
std::string StepLog::kept_lines(uint64_t size, const Keeps& keeps) const {
  constexpr size_t kMostBytes = 16'384;  // an evaluation follows at once, records have half a kilobyte
  if (size <= position_.offset_bytes) return "";
  std::string text(std::min<uint64_t>(kMostBytes, size - position_.offset_bytes), '\0');
  const ReadableFile file(current(), Links::kRefuse);
  text.resize(file.read_at(position_.offset_bytes, std::as_writable_bytes(std::span(text))));
  std::string kept;
  size_t begin = 0;
  for (size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = text.substr(begin, end + 1 - begin);
    const auto record = object_of(line);
    if (record && keeps(*record)) kept += line;
  }
  return kept;
}

Path StepLog::closed(uint64_t segment) const {
  return folder_ / fmt::format("metrics-{:06}.jsonl", segment);
}

/// When the log went on to later segments after the checkpoint, the one it points into becomes the current
/// again.
void StepLog::restore_segment() {
  if (!file_exists(closed(position_.segment))) return;
  files_.rename(closed(position_.segment), current());
  for (uint64_t later = position_.segment + 1; file_exists(closed(later)); ++later)
    files_.remove_file(closed(later));
}

void StepLog::open(uint64_t keep_bytes) {
  file_ = files_.append(current(), keep_bytes);
  position_.offset_bytes = keep_bytes;
}

void StepLog::write(const nlohmann::json& record) {
  const std::string line = record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  try {
    if (file_ == nullptr) open(position_.offset_bytes);
    if (position_.offset_bytes > 0 && position_.offset_bytes + line.size() > options_.segment_bytes) rotate();
    file_->write(line);
    position_.offset_bytes += line.size();
  } catch (const IoError& error) {
    note_failure(error);
  }
}

void StepLog::rotate() {
  file_->close();
  files_.rename(current(), closed(position_.segment));
  // From here on the next segment is the current one, also when what follows fails: renamed once more under
  // the old number, a new file would replace the full one.
  ++position_.segment;
  position_.offset_bytes = 0;
  open(0);
  if (position_.segment <= options_.segments) return;
  const Path oldest = closed(position_.segment - 1 - options_.segments);
  if (file_exists(oldest)) files_.remove_file(oldest);
}

}  // namespace pretrain
