// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/step_log.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "libs/base/io_advice.h"
#include "libs/metrics/log_cut.h"
#include "libs/metrics/record_lines.h"

namespace pretrain {

StepLog::StepLog(FileSystem& files, Path folder, const StepLogStart& start, const Options& options)
    : files_(files),
      folder_(std::move(folder)),
      options_(options),
      step_(start.step),
      position_(start.position) {
  try {
    continue_at(start);
  } catch (const IoError& error) {
    note_failure(error);
  }
}

/// Until the place to cut is known, nothing is cut.
void StepLog::continue_at(const StepLogStart& start) {
  restore_segment();
  const uint64_t cut = place_to_cut(start);
  started_ = true;
  position_.offset_bytes = cut;
  const std::string kept = kept_lines(start);
  open(position_.offset_bytes);
  if (kept.empty()) return;
  file_->write(kept);
  position_.offset_bytes += kept.size();
}

uint64_t StepLog::place_to_cut(const StepLogStart& start) {
  if (!file_exists(current())) return 0;
  const ReadableFile file(current(), Links::kRefuse);
  const LogCut cut = find_log_cut(file, start.position.offset_bytes, start.step);
  was_replaced_ = !cut.as_saved && file.size() > 0;
  return cut.offset_bytes;
}

void StepLog::note_failure(const IoError& error) {
  ++failed_writes_;
  last_error_ = message_with_advice(error);
  file_.reset();  // the next write opens it again after the last complete record
}

/// The lines after the position that are to be kept.
std::string StepLog::kept_lines(const StepLogStart& start) const {
  constexpr size_t kMostBytes = 1'000'000;  // such records follow immediately; samples are the largest ones
  if (!start.keeps || !file_exists(current())) return "";
  const ReadableFile file(current(), Links::kRefuse);
  std::string text(std::min<uint64_t>(kMostBytes, file.size() - position_.offset_bytes), '\0');
  text.resize(file.read_at(position_.offset_bytes, std::as_writable_bytes(std::span(text))));
  std::string kept;
  size_t begin = 0;
  for (size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = text.substr(begin, end + 1 - begin);
    const auto record = record_of(line);
    if (record && start.keeps(*record)) kept += line;
  }
  return kept;
}

Path StepLog::closed(uint64_t segment) const {
  return folder_ / fmt::format("metrics-{:06}.jsonl", segment);
}

/// If the log has continued in later segments since the checkpoint, makes the checkpoint's segment the
/// current one again. If that was removed for its age, the later ones hold later steps only.
void StepLog::restore_segment() {
  if (file_exists(closed(position_.segment))) files_.rename(closed(position_.segment), current());
  for (const Path& segment : log_segments(folder_)) {
    if (segment != current() && segment.native() > closed(position_.segment).native())
      files_.remove_file(segment);
  }
}

void StepLog::open(uint64_t keep_bytes) {
  file_ = files_.append(current(), keep_bytes);
  name_ = NamedFile(current());
  position_.offset_bytes = keep_bytes;
}

void StepLog::open_if_taken_away() {
  if (file_ == nullptr || !name_.was_taken_away()) return;
  ++removals_;
  file_.reset();
  open(file_exists(current()) ? ReadableFile(current(), Links::kRefuse).size() : 0);
}

void StepLog::write(const nlohmann::json& record) {
  const std::string line = record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  try {
    if (!started_) continue_at({.position = position_, .step = step_});
    open_if_taken_away();
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
  // From here on the next segment is the current one, even if the following calls fail. Otherwise a second
  // rename to the same number would replace the full segment.
  ++position_.segment;
  position_.offset_bytes = 0;
  open(0);
  if (position_.segment <= options_.segments) return;
  const Path oldest = closed(position_.segment - 1 - options_.segments);
  if (file_exists(oldest)) files_.remove_file(oldest);
}

}  // namespace pretrain
