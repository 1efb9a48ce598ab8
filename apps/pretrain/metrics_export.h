// SPDX-License-Identifier: Apache-2.0
#pragma once
// Writes what a run has recorded for other programs: a table of comma-separated values, event files of
// TensorBoard, and a file for node_exporter.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "apps/pretrain/run_view.h"
#include "libs/base/file.h"

namespace pretrain {

/// Writes a row for each recorded step and each evaluation, in order. Steps whose records are no longer kept come
/// from the averaged curve: their column `steps` says how many a row averages. Memory does not grow with the run.
/// The file may be "-", for standard output. Returns the rows.
/// Errors: IoError.
uint64_t write_metrics_table(const Path& state, const Path& file);

/// Adds scalars of one run to a folder of event files. Single-owner.
class EventExport {
 public:
  /// Begins a new file in the folder, which it creates. What older files say is forgotten by their reader.
  /// Errors: IoError.
  EventExport(const Path& state, Path folder);

  /// Writes the scalars of later steps than before. A run that went back to an earlier step continues in a new file
  /// from there. Returns how many were written.
  /// Errors: IoError.
  uint64_t write_new();

  /// Whether the run trains, as of the last write.
  bool run_lives() const;

 private:
  void begin_file(uint64_t from_step);
  std::optional<uint64_t> went_back_to();
  void add(double time, uint64_t step, std::string_view tag, double value);
  void write_points();
  void write_evaluations();

  RunView view_;
  Path folder_;
  std::unique_ptr<WritableFile> file_;
  std::string frames_;  // that are not written yet
  uint64_t scalars_ = 0;
  uint64_t last_step_ = 0;
  std::optional<uint64_t> last_evaluation_;  // evaluations have step 0, too
  std::array<std::string, 2> seen_;          // the newest start and the newest return that were considered
};

/// Writes the newest numbers of a run in Prometheus' text format, readable for everybody.
/// Errors: IoError.
void write_metrics_file(const RunView& run, const Path& file);

}  // namespace pretrain
