// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/event_log.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/base/io_advice.h"
#include "libs/metrics/record.h"
#include "libs/metrics/record_lines.h"

namespace pretrain {
namespace {

std::string line_of(const nlohmann::json& record) {
  return record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

/// The lines of a file, sorted by kind.
struct Lines {
  struct Kind {
    std::vector<size_t> lines;
    uint64_t bytes = 0;
  };
  std::vector<std::string> all;  // an empty one was removed
  std::map<std::string, Kind, std::less<>> kinds;
  std::optional<size_t> best;  // the best evaluation
  uint64_t bytes = 0;

  explicit Lines(const ReadableFile& file);
  void halve(Kind& kind);
};

Lines::Lines(const ReadableFile& file) {
  BestEvaluationFinder finder;
  LineReader reader(file);
  while (const auto line = reader.next()) {
    const auto record = record_of(*line);
    if (!record) continue;
    const std::string_view name = kind_of(*record);
    if (name == "evaluation" && finder.note(*record)) best = all.size();
    Kind& kind = kinds[std::string(name)];
    kind.lines.push_back(all.size());
    kind.bytes += line->size() + 1;
    bytes += line->size() + 1;
    all.emplace_back(std::string(*line) + "\n");
  }
}

/// Removes every second line, but never the first, the newest and the best one.
void Lines::halve(Kind& kind) {
  std::vector<size_t> kept;
  for (size_t i = 0; i < kind.lines.size(); ++i) {
    const size_t line = kind.lines[i];
    if (i % 2 == 0 || i + 1 == kind.lines.size() || line == best) {
      kept.push_back(line);
      continue;
    }
    kind.bytes -= all[line].size();
    bytes -= all[line].size();
    all[line].clear();
  }
  kind.lines = std::move(kept);
}

}  // namespace

bool is_event(const nlohmann::json& record) {
  const std::string_view kind = kind_of(record);
  return !kind.empty() && kind != "step";
}

bool BestEvaluationFinder::note(const nlohmann::json& evaluation) {
  const auto loss = number_of(evaluation, "validation_loss");
  if (!loss || (best_ && *loss >= best_->loss)) {
    if (best_) ++best_->since;
    return false;
  }
  best_ = {.step = step_of(evaluation).value_or(0),
           .loss = *loss,
           .bits_per_byte = number_of(evaluation, "bits_per_byte").value_or(0)};
  return true;
}

EventLog::EventLog(FileSystem& files, Path folder, uint64_t step, const Options& options)
    : files_(files), folder_(std::move(folder)), step_(step), options_(options) {
  try {
    start();
  } catch (const IoError& error) {
    note_failure(error);
  }
}

/// Until this succeeds, the length of the records in the file is not known, and opening it would cut it.
void EventLog::start() {
  if (file_exists(file())) {
    load(step_);
  } else {
    import(step_);
  }
  started_ = true;
}

void EventLog::note(const nlohmann::json& record) {
  const std::string_view kind = kind_of(record);
  if (kind == "evaluation") best_.note(record);
  if (kind == "sample") newest_sample_ = step_of(record);
}

/// Rewrites the file only if something is to be removed.
void EventLog::load(uint64_t step) {
  const ReadableFile saved(file(), Links::kRefuse);
  best_ = {};
  newest_sample_.reset();
  LineReader lines(saved);
  std::string kept;
  bool complete = true;
  while (const auto line = lines.next()) {
    const auto record = record_of(*line);
    const bool stays = record && (step_of(*record).value_or(0) <= step || outlives_return(kind_of(*record)));
    if (!stays) {
      complete = false;
      continue;
    }
    note(*record);
    kept += *line;
    kept += '\n';
  }
  size_bytes_ = kept.size();
  if (!complete) replace(kept);
}

void EventLog::import(uint64_t step) {
  std::string lines;
  read_log(folder_, 0, step, [&](const nlohmann::json& record) {
    if (!is_event(record)) return;
    note(record);
    lines += line_of(record);
  });
  size_bytes_ = lines.size();
  if (!lines.empty()) replace(lines);
}

void EventLog::replace(const std::string& lines) {
  out_.reset();
  write_file_atomically(files_, file(), lines);
  size_bytes_ = lines.size();
}

void EventLog::write(const nlohmann::json& record, bool is_milestone) {
  if (!is_event(record)) return;
  note(record);
  try {
    if (!started_) {
      start();
      note(record);  // after those before it
    }
    append(line_of(record));
    if (is_milestone) out_->sync();
    if (size_bytes_ > options_.most_bytes) reduce();
  } catch (const IoError& error) {
    note_failure(error);
  }
}

/// Opening cuts off an incomplete line that a failed write or a kill left.
void EventLog::append(const std::string& line) {
  if (out_ != nullptr && name_.was_taken_away()) {
    ++removals_;
    out_.reset();
    size_bytes_ = file_exists(file()) ? ReadableFile(file(), Links::kRefuse).size() : 0;
  }
  if (out_ == nullptr) {
    out_ = files_.append(file(), size_bytes_);
    name_ = NamedFile(file());
  }
  out_->write(line);
  size_bytes_ += line.size();
}

void EventLog::reduce() {
  out_.reset();
  Lines lines(ReadableFile(file(), Links::kRefuse));
  constexpr size_t kFew = 3;  // halving would remove nothing
  while (lines.bytes > options_.most_bytes / 2) {
    const auto largest = std::ranges::max_element(lines.kinds, {}, [](const auto& kind) {
      return kind.second.lines.size() > kFew ? kind.second.bytes : 0;
    });
    if (largest->second.lines.size() <= kFew) break;
    lines.halve(largest->second);
  }
  std::string kept;
  for (const std::string& line : lines.all) kept += line;
  replace(kept);
}

void EventLog::note_failure(const IoError& error) {
  ++failed_writes_;
  last_error_ = message_with_advice(error);
  out_.reset();
}

}  // namespace pretrain
