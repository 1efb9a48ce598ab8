// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_view.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "apps/pretrain/event_words.h"
#include "apps/pretrain/ini.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/file_stamp.h"
#include "libs/base/json.h"
#include "libs/base/own_process.h"
#include "libs/base/text.h"
#include "libs/checkpoint/verify.h"
#include "libs/metrics/record.h"
#include "pipeline/corpus/skip_reason.h"

namespace pretrain {
namespace {

/// Seconds after which a run of an older version, which recorded no process, counts as ended.
constexpr double kSilence = 300;

double modified_at(const Path& path) {
  const auto stamp = stamp_of(path);
  return stamp ? static_cast<double>(stamp->modified_nanoseconds) * 1e-9 : 0;
}

uint64_t bytes_in(const Path& folder) {
  uint64_t bytes = 0;
  for (const FolderEntry& entry : list_folder(folder)) bytes += entry.size_bytes;
  return bytes;
}

bool holds_run(const Path& path) {
  return folder_exists(path) && (file_exists(metrics_file(path)) || is_state_folder(path));
}

/// A folder that this user may not read hides no other.
/// Errors: IoError when there is nothing but such folders.
std::vector<Path> runs_below(const Path& path) {
  std::vector<Path> runs;
  std::optional<IoError> unreadable;
  for (const FolderEntry& entry : list_folder(path)) {
    if (!entry.is_folder || entry.name.starts_with('.')) continue;
    try {
      if (holds_run(path / entry.name)) runs.push_back(path / entry.name);
    } catch (const IoError& error) {
      unreadable = error;
    }
  }
  if (runs.empty() && unreadable) throw IoError(*unreadable);
  return runs;
}

/// The events of the newest session. One before it that was killed in a pause recorded no end of it; the order of the record
/// says which is which, because the clock may have been set.
std::vector<const RecordedEvent*> events_of_newest_session(const RunRecord& run) {
  const auto session = std::find_if(run.sessions.rbegin(), run.sessions.rend(),
                                    [](const RecordedEvent& event) { return event.kind == "session"; });
  const uint64_t start = session == run.sessions.rend() ? 0 : session->number;
  std::vector<const RecordedEvent*> events;
  for (const RecordedEvent& event : run.events) {
    if (event.number > start) events.push_back(&event);
  }
  return events;
}

/// The record of the pause in which the newest session is; null if it is in none.
const RecordedEvent* pause_of(const RunRecord& run) {
  const RecordedEvent* pause = nullptr;
  for (const RecordedEvent* event : events_of_newest_session(run)) {
    if (event->kind == "continued") pause = nullptr;
    if (event->kind == "paused" && pause == nullptr) pause = event;  // a further one gives another reason
  }
  return pause;
}

/// Seconds since a record was written: by the steady clock if both are of the same start of the kernel, else by the times
/// of day, which a clock that was set makes wrong.
double seconds_since(const nlohmann::json& record, bool same_boot) {
  const auto steady = number_of(record, "steady_seconds");
  if (same_boot && steady) return steady_seconds() - *steady;
  return current_time() - number_of(record, "time").value_or(current_time());
}

bool is_process_number(double number) {
  constexpr double kMostProcesses = 1 << 30;
  return number >= 1 && number <= kMostProcesses;
}

std::optional<ProcessIdentity> process_of(double number) {
  return is_process_number(number) ? process_identity(static_cast<int>(number)) : std::nullopt;
}

/// Whether the process of this number has written the newest record, of a version that recorded no more: it started earlier.
/// Numbers are used again, so that of a killed run may be another program's.
bool may_have_written(double number, double updated) {
  if (!is_process_number(number)) return false;
  const auto start = process_start(static_cast<int>(number));
  constexpr double kRounding = 1;
  return start && *start <= updated + kRounding;
}

}  // namespace

std::string_view phase_name(ShownPhase phase) {
  switch (phase) {
    case ShownPhase::kStarting:
      return "starting";
    case ShownPhase::kTraining:
      return "training";
    case ShownPhase::kPaused:
      return "paused";
    case ShownPhase::kSuspended:
      return "suspended";
    case ShownPhase::kFinished:
      return "finished";
    case ShownPhase::kStopped:
      return "stopped";
    case ShownPhase::kFailed:
      return "failed";
    case ShownPhase::kUnknown:
      break;
  }
  return "unknown";
}

bool lives(ShownPhase phase) {
  return phase == ShownPhase::kStarting || phase == ShownPhase::kTraining || phase == ShownPhase::kPaused ||
         phase == ShownPhase::kSuspended;
}

RunView::RunView(Path folder, std::string id, const RecordLimits& limits)
    : folder_(std::move(folder)), id_(std::move(id)), reader_(folder_, limits) {}

bool RunView::update() {
  const std::string before = unreadable_;
  bool changed = revision_ == 0;
  unreadable_.clear();
  try {
    if (!folder_exists(folder_))
      fail(ErrorKind::kData, "{} is gone; its last known state is shown", folder_.string());
    const bool grew = reader_.update();
    if (grew && revision_ > 0) grown_ = std::chrono::steady_clock::now();
    changed |= grew;
    if (changed) {
      read_sessions();
      read_configuration();
      read_checkpoints();
      read_skips();
    }
  } catch (const std::exception& error) {  // what a damaged record causes must end no server
    unreadable_ = error.what();
  }
  const ShownPhase phase_before = std::exchange(shown_phase_, phase());
  changed |= unreadable_ != before || shown_phase_ != phase_before;
  if (changed) ++revision_;
  return changed;
}

void RunView::read_sessions() {
  session_ = end_ = nullptr;
  const std::vector<RecordedEvent>& sessions = record().sessions;
  for (const RecordedEvent& event : sessions) {
    if (event.kind == "session") {
      session_ = event_json(event);
      end_ = nullptr;
    } else {
      end_ = event_json(event);
    }
  }
  updated_ = std::max(modified_at(metrics_file(folder_)), modified_at(folder_ / "events.jsonl"));
}

void RunView::read_configuration() {
  configuration_.clear();
  if (session_.is_object() && session_.contains("configuration")) {
    for (const auto& [key, value] : session_["configuration"].items()) {
      if (value.is_string()) configuration_[key] = value.get<std::string>();
    }
    return;
  }
  constexpr uint64_t kMostBytes = 1 << 20;
  const auto text = read_file_if_exists(folder_ / "run.ini", kMostBytes);
  if (!text) return;
  for (const IniEntry& entry : parse_ini(*text, "run.ini")) configuration_[entry.key] = entry.value;
}

/// A checkpoint never changes, so what is known of one stays.
void RunView::read_checkpoints() {
  std::vector<ShownCheckpoint> shown;
  for (const CheckpointEntry& entry : list_checkpoints(folder_)) {
    const auto known = std::ranges::find(checkpoints_, entry.step, &ShownCheckpoint::step);
    if (known != checkpoints_.end()) {
      shown.push_back(*known);
      continue;
    }
    try {
      shown.push_back({.step = entry.step,
                       .time = modified_at(entry.folder / kManifestName),
                       .size_bytes = bytes_in(entry.folder)});
    } catch (const IoError&) {  // removed meanwhile
    }
  }
  checkpoints_ = std::move(shown);
}

/// The end of a session has the counts; before it, the newest checkpoint.
void RunView::read_skips() {
  nlohmann::json counts = end_.is_object() ? end_.value("skips", nlohmann::json()) : nlohmann::json();
  if (!counts.is_object() && !checkpoints_.empty()) {
    const Path state =
        checkpoints_folder(folder_) / checkpoint_name(checkpoints_.front().step) / "state.json";
    if (!file_exists(state)) return;
    const nlohmann::json json = read_json(state, Links::kRefuse);
    const auto stream = json.find("stream");
    if (stream != json.end() && stream->is_object()) counts = stream->value("skips", nlohmann::json());
  }
  if (!counts.is_object()) return;
  skips_.clear();
  for (const auto& [key, count] : counts.items()) {
    if (!count.is_number_unsigned()) continue;
    const SkipReason reason = find_reason(key);
    skips_[reason == SkipReason::kOther ? key : std::string(reason_text(reason))] += count.get<uint64_t>();
  }
}

/// Since the record grew. The times of files say so only if no clock was set since: a time to come is as far away as
/// one that is past.
double RunView::silent_seconds() const {
  if (grown_) return std::chrono::duration<double>(std::chrono::steady_clock::now() - *grown_).count();
  return std::abs(current_time() - updated_);
}

/// Whether the process of the newest session exists. One of another machine that shares the folder shows by what it
/// has just written; versions that recorded no process, too.
bool RunView::is_alive() const {
  constexpr double kMoment = 5;
  const auto process = session_.is_object() ? number_of(session_, "process") : std::nullopt;
  if (!process) return silent_seconds() < kSilence;
  if (silent_seconds() < kMoment) return true;
  const std::string boot = text_of(session_, "boot");
  if (boot.empty()) return may_have_written(*process, updated_);
  return living_process(session_).has_value();
}

bool RunView::is_suspended() const {
  const auto process = living_process(session_);
  return process && process_is_suspended(*process);
}

std::optional<double> RunView::session_seconds() const {
  if (!session_.is_object()) return std::nullopt;
  const auto self = process_identity(process_number());
  const bool same_boot = self && self->boot == text_of(session_, "boot");
  double seconds = seconds_since(session_, same_boot);
  for (const RecordedEvent* event : events_of_newest_session(record())) {
    if (event->kind == "continued") seconds -= number_of(event->json(), "seconds").value_or(0);
  }
  if (const RecordedEvent* pause = pause_of(record())) seconds -= seconds_since(pause->json(), same_boot);
  return std::max(seconds, 0.0);
}

ShownPhase RunView::phase() const {
  const RunRecord& run = record();
  const bool is_empty = run.curve.all_points().empty() && run.sessions.empty() && run.evaluations.empty();
  if (end_.is_object()) {
    const std::string reason = text_of(end_, "reason");
    if (reason == "failed") return ShownPhase::kFailed;
    return reason == "stopped" ? ShownPhase::kStopped : ShownPhase::kFinished;
  }
  if (is_empty) return ShownPhase::kStarting;
  if (!is_alive()) return session_.is_object() ? ShownPhase::kUnknown : ShownPhase::kStopped;
  if (is_suspended()) return ShownPhase::kSuspended;
  return pause_of(run) != nullptr ? ShownPhase::kPaused : ShownPhase::kTraining;
}

std::string RunView::problem() const {
  if (!unreadable_.empty()) return unreadable_;
  return phase() == ShownPhase::kFailed ? text_of(end_, "error") : "";
}

std::vector<Path> find_runs(const std::vector<Path>& paths, size_t most) {
  std::vector<Path> runs;
  for (const Path& path : paths) {
    if (holds_run(path)) {
      runs.push_back(path);
      continue;
    }
    if (!folder_exists(path))
      fail(ErrorKind::kData, "{} is not a folder; name the state folder of a run", path.string());
    if (holds_start(path)) {
      fail(ErrorKind::kData, "{} holds no run yet; if one is starting, try again after its first step",
           path.string());
    }
    const std::vector<Path> below = runs_below(path);
    if (below.empty()) {
      fail(ErrorKind::kData,
           "{} holds no run; name the folder that was given as --state, or one that holds several",
           path.string());
    }
    runs.insert(runs.end(), below.begin(), below.end());
  }
  if (runs.size() > most) runs.resize(most);
  return runs;
}

std::optional<int> living_process(const nlohmann::json& session) {
  const auto number = session.is_object() ? number_of(session, "process") : std::nullopt;
  const auto found = number ? process_of(*number) : std::nullopt;
  const bool is_same = found && found->boot == text_of(session, "boot") &&
                       number_of(session, "process_start") == static_cast<double>(found->start_ticks);
  return is_same ? std::optional<int>(static_cast<int>(*number)) : std::nullopt;
}

std::string run_id(const Path& folder, const std::set<std::string>& taken) {
  const Path plain = folder.has_filename() ? folder : folder.parent_path();
  std::string id = plain.filename().string();
  for (char& c : id) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          c == '.' || c == '_' || c == '-';
    if (!is_plain) c = '_';
  }
  if (id.empty() || id == "." || id == "..") id = "run";
  std::string unique = id;
  for (int n = 2; taken.contains(unique); ++n) unique = fmt::format("{}-{}", id, n);
  return unique;
}

double current_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace pretrain
