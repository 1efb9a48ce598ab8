// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/record_reader.h"

#include <algorithm>
#include <span>
#include <utility>

#include "libs/base/file_identity.h"
#include "libs/base/json.h"
#include "libs/metrics/record.h"
#include "libs/metrics/record_lines.h"

namespace pretrain {
namespace {

/// The file, or nothing if it is not there.
std::optional<ReadableFile> open_if_there(const Path& path) {
  if (!file_exists(path)) return std::nullopt;
  return ReadableFile(path, Links::kRefuse);
}

/// The bytes before the offset.
std::string bytes_before(const ReadableFile& file, uint64_t offset) {
  constexpr uint64_t kEnough = 64;
  std::string bytes(std::min(offset, kEnough), '\0');
  bytes.resize(file.read_at(offset - bytes.size(), std::as_writable_bytes(std::span(bytes))));
  return bytes;
}

template <typename Entry>
void add_bounded(std::vector<Entry>& list, Entry entry, size_t most) {
  if (most == 0) return;
  if (list.size() >= most) list.erase(list.begin() + (most > 1 ? 1 : 0));
  list.push_back(std::move(entry));
}

/// Keeps the first, the newest and the best evaluation, and every second one of the others.
void thin(std::vector<RecordedEvaluation>& evaluations, const std::optional<BestEvaluation>& best) {
  std::vector<RecordedEvaluation> kept;
  for (size_t i = 0; i < evaluations.size(); ++i) {
    const bool is_best = best && evaluations[i].step == best->step;
    if (i % 2 == 0 || i + 1 == evaluations.size() || is_best) kept.push_back(evaluations[i]);
  }
  evaluations = std::move(kept);
}

uint64_t count_in(const nlohmann::json& record, const char* key) {
  const auto found = record.find(key);
  return found != record.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

}  // namespace

nlohmann::json RecordedEvent::json() const {
  return parse_json(line);
}

RunRecordReader::RunRecordReader(Path state, const RecordLimits& limits)
    : state_(std::move(state)), limits_(limits) {
  record_.curve = Curve(limits_.curve_points);
}

bool RunRecordReader::was_replaced(const Followed& file) const {
  if (file.inode == 0) return false;
  const auto identity = identity_of(state_ / file.name);
  if (!identity || identity->inode != file.inode) return true;
  const ReadableFile now(state_ / file.name, Links::kRefuse);
  return now.size() < file.offset || bytes_before(now, file.offset) != file.before;
}

bool RunRecordReader::update() {
  const bool is_first = log_.inode == 0 && events_.inode == 0;
  bool changed = false;
  if (is_first || has_events_ != file_exists(state_ / events_.name) || was_replaced(log_) ||
      was_replaced(events_)) {
    start_again();
    changed = !is_first || !record_.curve.all_points().empty();
  }
  changed |=
      follow(events_, [this](const nlohmann::json& record, std::string_view line) { take(record, line); });
  changed |= follow(log_, [this](const nlohmann::json& record, std::string_view line) {
    if (kind_of(record) == "step" || !has_events_) take(record, line);
  });
  return changed;
}

/// Steps that are in no point of the saved curve come from the log; so do all other records of versions that
/// wrote no events.jsonl.
void RunRecordReader::start_again() {
  record_ = {.curve = Curve(limits_.curve_points)};
  best_ = {};
  log_ = {.name = log_.name};
  events_ = {.name = events_.name};
  if (!folder_exists(state_)) return;
  has_events_ = file_exists(state_ / events_.name);
  read_curve();
  const auto points = record_.curve.all_points();
  const uint64_t first = has_events_ && !points.empty() ? points.back().step + 1 : 0;
  std::vector<Path> segments = log_segments(state_);
  std::erase(segments, state_ / log_.name);
  read_segments(segments, first, UINT64_MAX, [this](const nlohmann::json& record) {
    if (kind_of(record) == "step" || !has_events_) take(record, record.dump());
  });
  if (const auto file = open_if_there(state_ / log_.name)) log_.offset = seek_step(*file, first);
}

void RunRecordReader::read_curve() {
  const auto file = open_if_there(state_ / "curve.jsonl");
  if (!file) return;
  LineReader lines(*file);
  while (const auto line = lines.next()) {
    const auto record = record_of(*line);
    const auto saved = record ? saved_point_of(*record) : std::nullopt;
    if (saved) {
      record_.curve.add(saved->point, saved->width);
    } else {
      ++record_.damaged_lines;
    }
  }
}

template <typename OnRecord>
bool RunRecordReader::follow(Followed& followed, const OnRecord& on_record) {
  const auto identity = identity_of(state_ / followed.name);
  const auto file = open_if_there(state_ / followed.name);
  if (!identity || !file) return false;
  LineReader lines(*file, followed.offset);
  const uint64_t old = followed.offset;
  while (const auto line = lines.next()) {
    if (const auto record = record_of(*line)) {
      on_record(*record, *line);
    } else {
      ++record_.damaged_lines;
    }
  }
  followed.inode = identity->inode;
  followed.offset = lines.offset();
  followed.before = bytes_before(*file, followed.offset);
  return followed.offset != old;
}

void RunRecordReader::take(const nlohmann::json& record, std::string_view line) {
  const std::string_view kind = kind_of(record);
  if (const auto point = point_of(record)) {
    record_.curve.add(*point);
    record_.newest_step = record;
    return;
  }
  if (kind == "evaluation") return take_evaluation(record);
  if (kind.empty()) return;
  RecordedEvent event{.time = number_of(record, "time").value_or(0),
                      .step = step_of(record).value_or(0),
                      .kind = std::string(kind),
                      .line = std::string(line),
                      .number = ++taken_};
  if (kind == "session") record_.schema = count_in(record, "schema");
  if (kind == "sample") return add_bounded(record_.samples, std::move(event), limits_.samples);
  if (kind == "session" || kind == "end")
    return add_bounded(record_.sessions, std::move(event), limits_.sessions);
  add_bounded(record_.events, std::move(event), limits_.events);
}

void RunRecordReader::take_evaluation(const nlohmann::json& record) {
  best_.note(record);
  record_.best_evaluation = best_.best();
  record_.evaluations.push_back({.time = number_of(record, "time").value_or(0),
                                 .step = step_of(record).value_or(0),
                                 .tokens = count_in(record, "tokens"),
                                 .loss = number_of(record, "validation_loss"),
                                 .perplexity = number_of(record, "perplexity"),
                                 .bits_per_byte = number_of(record, "bits_per_byte")});
  if (record_.evaluations.size() > limits_.evaluations) thin(record_.evaluations, record_.best_evaluation);
}

RunRecord read_run_record(const Path& state, const RecordLimits& limits) {
  RunRecordReader reader(state, limits);
  reader.update();
  return reader.record();
}

}  // namespace pretrain
