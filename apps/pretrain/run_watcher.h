// SPDX-License-Identifier: Apache-2.0
#pragma once
// Follows several runs in a thread of its own: reads what they record, and finds new ones. What it keeps is bounded,
// whatever the length of the runs.
//
//   RunWatcher watcher({paths});
//   watcher.with("base", [](const RunView& run) { show(run); });

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "apps/pretrain/run_view.h"

namespace pretrain {

/// Summaries of all runs at one moment, as a JSON array.
struct RunStates {
  uint64_t revision = 0;  ///< changes whenever a run does
  std::shared_ptr<const std::string> json;
};

/// Thread-safe.
class RunWatcher {
 public:
  static constexpr size_t kMostRuns = 64;

  /// Errors: kData for a path without a run.
  explicit RunWatcher(std::vector<Path> paths);
  ~RunWatcher();
  RunWatcher(const RunWatcher&) = delete;
  RunWatcher& operator=(const RunWatcher&) = delete;

  /// Shows the run to `use`; false when there is none of this id. Waits while the run is read.
  bool with(const std::string& id, const std::function<void(const RunView&)>& use) const;
  /// In the order of the paths; runs that came later are last.
  void with_each(const std::function<void(const RunView&)>& use) const;
  RunStates states() const;
  /// Waits until every run that was there at the start is read.
  void wait_until_read() const;

 private:
  struct Watched {
    explicit Watched(RunView first) : view(std::move(first)) {}
    std::mutex mutex;  // guards view
    RunView view;
  };

  void run(const std::stop_token& stop);
  void find();
  void add_new(const std::stop_token& stop);
  bool update(const std::stop_token& stop);
  void publish();
  std::vector<std::shared_ptr<Watched>> watched() const;

  std::vector<Path> paths_;
  std::map<Path, std::string> ids_;  // the watching thread's
  std::vector<Path> folders_;        // the watching thread's, in their order
  mutable std::mutex mutex_;         // guards the following
  mutable std::condition_variable_any changed_;
  std::vector<std::shared_ptr<Watched>> watched_;  // new ones come last
  RunStates states_;
  bool has_read_ = false;
  std::jthread thread_;  // last: its end waits for nothing above
};

}  // namespace pretrain
