// SPDX-License-Identifier: Apache-2.0
#pragma once
// The file of --metrics-file: the newest numbers of a running session in the format of Prometheus, for the
// textfile collector of node_exporter. Made of the run's own record, so that it has what the dashboard's
// /metrics has.

#include <chrono>
#include <memory>
#include <optional>

#include "apps/pretrain/run_view.h"
#include "libs/base/file.h"

namespace pretrain {

/// Refuses what is no place for such a file.
/// Errors: kUsage; IoError.
void check_metrics_file(const Path& file);

/// Single-owner.
class MetricsFile {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// An empty path: no file.
  MetricsFile(Path file, const Path& state);
  /// Writes it for the last time, so that it says how the session has ended.
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  /// Writes the file, at most each 15 seconds. A file that can't be written is logged once and tried again.
  void look(Time now);

 private:
  void write();

  Path file_;
  std::unique_ptr<RunView> run_;
  std::optional<Time> written_;
  bool failing_ = false;
};

}  // namespace pretrain
