// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/metrics_export.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "apps/pretrain/output_file.h"
#include "apps/pretrain/run_metrics.h"
#include "libs/base/error.h"
#include "libs/base/private_file.h"
#include "libs/metrics/event_file.h"
#include "libs/metrics/record.h"
#include "libs/metrics/record_lines.h"

namespace pretrain {
namespace {

/// Keys of a step in the order of the columns.
constexpr std::string_view kStepColumns[] = {"loss",
                                             "learning_rate",
                                             "grad_norm",
                                             "tokens_per_second",
                                             "flops_utilization",
                                             "step_seconds",
                                             "forward_seconds",
                                             "backward_seconds",
                                             "optimizer_seconds",
                                             "data_wait_seconds",
                                             "checkpoint_wait_seconds",
                                             "sequence_buffer",
                                             "batch_queue",
                                             "resident_bytes",
                                             "watts"};

/// Text that is written in pieces, to a name that appears when it is complete, or to standard output.
class TableFile {
 public:
  explicit TableFile(const Path& path) : path_(path), temporary_(path) {
    if (is_standard_output(path)) return;
    temporary_ += ".new";
    file_ = real_file_system().append(temporary_, 0);
  }
  ~TableFile() {
    std::error_code ignored;
    if (file_ != nullptr) std::filesystem::remove(temporary_, ignored);
  }
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;

  void add(std::string_view text) {
    constexpr size_t kPiece = 1 << 16;
    pending_ += text;
    if (pending_.size() >= kPiece) flush();
  }
  void finish() {
    flush();
    if (file_ == nullptr) return;
    file_->close();
    file_.reset();
    real_file_system().rename(temporary_, path_);
  }

 private:
  void flush() {
    if (file_ != nullptr) {
      file_->write(pending_);
    } else {
      fmt::print("{}", pending_);
    }
    pending_.clear();
  }

  Path path_, temporary_;
  std::unique_ptr<WritableFile> file_;
  std::string pending_;
};

struct Row {
  double time = 0;
  uint64_t step = 0, steps = 0, tokens = 0;
};

std::string start_of(const Row& row, std::string_view kind) {
  const std::string time = row.time > 0 ? fmt::format("{:.3f}", row.time) : "";
  return fmt::format("{},{},{},{},{}", kind, row.step, row.steps, row.tokens, time);
}

std::string cell(std::optional<double> value) {
  return value ? fmt::format(",{}", *value) : ",";
}

std::string row_of(const CurvePoint& point) {
  std::string row = start_of({point.time, point.step, point.steps, point.tokens}, "step");
  for (const std::string_view key : kStepColumns) {
    const CurveValue* value = point.value(key);
    row += cell(value != nullptr ? std::optional(value->mean) : std::nullopt);
  }
  return row + ",,,\n";
}

std::string row_of(const RecordedEvaluation& one) {
  std::string row = start_of({one.time, one.step, 0, one.tokens}, "evaluation");
  row.append(std::size(kStepColumns), ',');
  return row + cell(one.loss) + cell(one.perplexity) + cell(one.bits_per_byte) + "\n";
}

std::string header() {
  std::string row = "kind,step,steps,tokens,time";
  for (const std::string_view key : kStepColumns) row += fmt::format(",{}", key);
  return row + ",validation_loss,perplexity,bits_per_byte\n";
}

/// Steps of the table, with the evaluations between them.
class TableWriter {
 public:
  TableWriter(TableFile& file, const std::vector<RecordedEvaluation>& evaluations)
      : file_(file), evaluations_(evaluations) {}

  void add(const CurvePoint& point) {
    add_evaluations_before(point.step);
    file_.add(row_of(point));
    ++rows_;
  }
  uint64_t finish() {
    add_evaluations_before(std::numeric_limits<uint64_t>::max());
    return rows_;
  }

 private:
  void add_evaluations_before(uint64_t step) {
    for (; next_ < evaluations_.size() && evaluations_[next_].step < step; ++next_, ++rows_)
      file_.add(row_of(evaluations_[next_]));
  }

  TableFile& file_;
  const std::vector<RecordedEvaluation>& evaluations_;
  size_t next_ = 0;
  uint64_t rows_ = 0;
};

/// The first step whose own record is still there; nothing for none.
std::optional<uint64_t> first_recorded_step(const Path& state) {
  for (const Path& segment : log_segments(state)) {
    if (!file_exists(segment)) continue;
    const ReadableFile file(segment, Links::kRefuse);
    LineReader lines(file);
    while (const auto line = lines.next()) {
      const auto record = record_of(*line);
      const auto point = record ? point_of(*record) : std::nullopt;
      if (point) return point->first_step;
    }
  }
  return std::nullopt;
}

/// The earliest step of the events of a kind after the one that was seen last. Their order counts, not their time: the
/// clock may have been set back.
std::optional<uint64_t> earliest_new(const std::vector<RecordedEvent>& events, std::string_view kind,
                                     std::string& seen) {
  std::optional<uint64_t> earliest;
  const std::string known = seen;
  bool is_newest = true;
  for (auto event = events.rbegin(); event != events.rend() && event->line != known; ++event) {
    if (event->kind != kind) continue;
    if (std::exchange(is_newest, false)) seen = event->line;
    earliest = std::min(earliest.value_or(event->step), event->step);
  }
  return earliest;
}

}  // namespace

uint64_t write_metrics_table(const Path& state, const Path& file) {
  const RunRecord record = read_run_record(state, {.curve_points = Curve::kMostPoints});
  const uint64_t first = first_recorded_step(state).value_or(std::numeric_limits<uint64_t>::max());
  TableFile table(file);
  table.add(header());
  TableWriter rows(table, record.evaluations);
  uint64_t last = 0;
  for (const CurvePoint& point : record.curve.all_points()) {
    if (point.first_step >= first) break;
    rows.add(point);
    last = point.step;
  }
  read_log(state, last + 1, std::numeric_limits<uint64_t>::max(), [&](const nlohmann::json& step) {
    if (const auto point = point_of(step)) rows.add(*point);
  });
  const uint64_t count = rows.finish();
  table.finish();
  return count;
}

EventExport::EventExport(const Path& state, Path folder)
    : view_(state, run_id(state, {}), {.curve_points = Curve::kMostPoints}), folder_(std::move(folder)) {
  make_folders(real_file_system(), folder_);
  begin_file(0);
}

/// Files are read in the order of their names.
void EventExport::begin_file(uint64_t from_step) {
  if (file_ != nullptr) file_->close();
  const auto now = static_cast<uint64_t>(current_time());
  Path path;
  for (uint64_t n = 0; path.empty() || file_exists(path); ++n)
    path = folder_ / fmt::format("events.out.tfevents.{:010}.pretrain.{:04}", now, n);
  file_ = real_file_system().create(path);
  frames_ = event_file_header(current_time()) + session_start_frame(current_time(), from_step);
}

void EventExport::add(double time, uint64_t step, std::string_view tag, double value) {
  frames_ += scalar_frame({.time = time, .step = step, .tag = tag, .value = value});
  ++scalars_;
}

uint64_t EventExport::write_new() {
  view_.update();
  const uint64_t before = scalars_;
  if (const auto back = went_back_to(); back && *back < last_step_) {
    begin_file(*back + 1);
    last_step_ = *back;
    if (last_evaluation_) last_evaluation_ = std::min(*last_evaluation_, *back);
  }
  write_points();
  write_evaluations();
  if (!frames_.empty()) file_->write(frames_);
  frames_.clear();
  return scalars_ - before;
}

/// The earliest step from which the run has continued since the last look: by a resume or a return.
std::optional<uint64_t> EventExport::went_back_to() {
  const RunRecord& record = view_.record();
  const auto resumed = earliest_new(record.sessions, "session", seen_[0]);
  const auto returned = earliest_new(record.events, "returned", seen_[1]);
  if (!resumed || !returned) return resumed ? resumed : returned;
  return std::min(*resumed, *returned);
}

void EventExport::write_points() {
  constexpr std::pair<std::string_view, std::string_view> kTags[] = {
      {"loss", "train/loss"},
      {"learning_rate", "train/learning_rate"},
      {"grad_norm", "train/grad_norm"},
      {"tokens_per_second", "speed/tokens_per_second"},
      {"flops_utilization", "speed/flops_utilization"},
      {"data_wait_seconds", "speed/data_wait_seconds"},
      {"resident_bytes", "machine/resident_bytes"},
      {"watts", "machine/watts"}};
  for (const CurvePoint& point : view_.record().curve.all_points()) {
    if (point.step <= last_step_) continue;
    for (const auto& [key, tag] : kTags) {
      if (const CurveValue* value = point.value(key)) add(point.time, point.step, tag, value->mean);
    }
    last_step_ = point.step;
  }
}

void EventExport::write_evaluations() {
  for (const RecordedEvaluation& one : view_.record().evaluations) {
    if (last_evaluation_ && one.step <= *last_evaluation_) continue;
    if (one.loss) add(one.time, one.step, "validation/loss", *one.loss);
    if (one.bits_per_byte) add(one.time, one.step, "validation/bits_per_byte", *one.bits_per_byte);
    last_evaluation_ = one.step;
  }
}

bool EventExport::run_lives() const {
  return lives(view_.phase());
}

void write_metrics_file(const RunView& run, const Path& file) {
  Exposition exposition;
  add_build_metrics(exposition);
  add_run_metrics(exposition, run);
  if (is_standard_output(file)) {
    fmt::print("{}", exposition.text());
  } else {
    write_public_file(file, exposition.text());
  }
}

}  // namespace pretrain
