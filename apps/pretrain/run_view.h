// SPDX-License-Identifier: Apache-2.0
#pragma once
// One run as the report and the dashboard show it: its record, and what lies next to it in the state folder.
// Reads only, takes no lock, and works for running, stopped and finished runs.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/file.h"
#include "libs/metrics/record_reader.h"

namespace pretrain {

/// What a run is doing, or how it ended.
enum class ShownPhase {
  kStarting,  ///< nothing is recorded yet
  kTraining,
  kPaused,
  kSuspended,  ///< its process, by Ctrl-Z or SIGSTOP, or its control group is frozen
  kFinished,   ///< a limit was reached, or the text has ended
  kStopped,    ///< on request
  kFailed,
  kUnknown,  ///< the process is gone and recorded no end: killed, or a power cut
};
constexpr ShownPhase kShownPhases[] = {ShownPhase::kStarting,  ShownPhase::kTraining, ShownPhase::kPaused,
                                       ShownPhase::kSuspended, ShownPhase::kFinished, ShownPhase::kStopped,
                                       ShownPhase::kFailed,    ShownPhase::kUnknown};
std::string_view phase_name(ShownPhase phase);
/// Whether more is to be expected of a run.
bool lives(ShownPhase phase);

struct ShownCheckpoint {
  uint64_t step = 0;
  double time = 0;  ///< seconds since 1970; 0: not known
  uint64_t size_bytes = 0;
};

/// Follows a state folder. Single-owner.
class RunView {
 public:
  /// `id` is how addresses name the run.
  RunView(Path folder, std::string id, const RecordLimits& limits);

  /// Reads what is new. True if anything changed. Files that can't be read are problem(), not an error.
  bool update();

  const std::string& id() const { return id_; }
  const Path& folder() const { return folder_; }
  const RunRecord& record() const { return reader_.record(); }
  /// Options by name, from the newest session or run.ini.
  const std::map<std::string, std::string>& configuration() const { return configuration_; }
  /// Newest first.
  const std::vector<ShownCheckpoint>& checkpoints() const { return checkpoints_; }
  /// Skipped places of the corpus by reason.
  const std::map<std::string, uint64_t>& skips() const { return skips_; }
  /// The newest session; null before the first, or with an older version's record.
  const nlohmann::json& session() const { return session_; }
  /// How the newest session ended; null while it runs.
  const nlohmann::json& end() const { return end_; }
  ShownPhase phase() const;
  /// The time of the newest session that counts for its limit: without pauses, up to now. Nothing if it is not known.
  std::optional<double> session_seconds() const;
  /// Why the state folder can't be read, or how the run failed; "" for neither.
  std::string problem() const;
  /// When the record last grew, in seconds since 1970; 0: never.
  double updated() const { return updated_; }
  /// Changes whenever anything does.
  uint64_t revision() const { return revision_; }

 private:
  void read_sessions();
  void read_configuration();
  void read_checkpoints();
  void read_skips();
  double silent_seconds() const;
  bool is_alive() const;
  bool is_suspended() const;

  Path folder_;
  std::string id_;
  RunRecordReader reader_;
  std::map<std::string, std::string> configuration_;
  std::vector<ShownCheckpoint> checkpoints_;
  std::map<std::string, uint64_t> skips_;
  nlohmann::json session_, end_;
  ShownPhase shown_phase_ = ShownPhase::kStarting;  // at the last update
  std::string unreadable_;
  double updated_ = 0;
  std::optional<std::chrono::steady_clock::time_point> grown_;  // when this object saw the record grow
  uint64_t revision_ = 0;
};

/// The state folders that the paths mean: a folder that holds a run, or else all of its subfolders that do, sorted by
/// name. At most `most`.
/// Errors: kData for a path without a run.
std::vector<Path> find_runs(const std::vector<Path>& paths, size_t most);

/// The process that recorded this start of a session, if it lives on this machine. Versions that recorded no start of the
/// process have none.
std::optional<int> living_process(const nlohmann::json& session);

/// The name of a run for addresses: that of its folder, in letters, digits, '.', '_' and '-', and not among those
/// `taken`.
std::string run_id(const Path& folder, const std::set<std::string>& taken);

/// Seconds since 1970.
double current_time();

}  // namespace pretrain
