// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_watcher.h"

#include <chrono>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "apps/pretrain/run_json.h"
#include "libs/base/error.h"

namespace pretrain {
namespace {

constexpr std::chrono::seconds kLook{1};
/// Between two searches for new runs, in looks.
constexpr int kFindEvery = 10;

/// With many runs each gets less memory: 64 of them stay below 100 MB.
RecordLimits limits_for(size_t runs) {
  constexpr size_t kFew = 8;
  if (runs <= kFew) return {.curve_points = Curve::kMostPoints};
  return {.curve_points = 1024, .evaluations = 1024, .samples = 40, .sessions = 100, .events = 300};
}

}  // namespace

RunWatcher::RunWatcher(std::vector<Path> paths)
    : paths_(std::move(paths)),
      folders_(find_runs(paths_, kMostRuns)),
      states_{.revision = 0, .json = std::make_shared<const std::string>("[]")} {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

RunWatcher::~RunWatcher() {
  thread_.request_stop();
  thread_.join();
}

void RunWatcher::run(const std::stop_token& stop) {
  for (int looks = 0; !stop.stop_requested(); ++looks) {
    if (looks > 0 && looks % kFindEvery == 0) find();
    add_new(stop);
    if (update(stop) || looks == 0) publish();
    std::unique_lock lock(mutex_);
    has_read_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, stop, kLook, [] { return false; });
  }
}

/// A folder that is gone for a moment stays shown.
void RunWatcher::find() {
  try {
    folders_ = find_runs(paths_, kMostRuns);
  } catch (const Error&) {
  }
}

/// Reads a new run before others see it, because that may take seconds; each is shown as soon as it is read.
void RunWatcher::add_new(const std::stop_token& stop) {
  for (const Path& folder : folders_) {
    if (stop.stop_requested()) return;
    if (ids_.contains(folder)) continue;
    std::set<std::string> taken;
    for (const auto& [path, id] : ids_) taken.insert(id);
    const std::string id = run_id(folder, taken);
    const auto fresh = std::make_shared<Watched>(RunView(folder, id, limits_for(folders_.size())));
    fresh->view.update();
    ids_[folder] = id;
    {
      const std::lock_guard lock(mutex_);
      watched_.push_back(fresh);
    }
    publish();
  }
}

bool RunWatcher::update(const std::stop_token& stop) {
  bool changed = false;
  for (const auto& one : watched()) {
    if (stop.stop_requested()) return changed;
    const std::lock_guard lock(one->mutex);
    changed |= one->view.update();
  }
  return changed;
}

void RunWatcher::publish() {
  nlohmann::json all = nlohmann::json::array();
  with_each([&](const RunView& run) { all.push_back(run_summary(run)); });
  auto text =
      std::make_shared<const std::string>(all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  {
    const std::lock_guard lock(mutex_);
    ++states_.revision;
    states_.json = std::move(text);
  }
}

std::vector<std::shared_ptr<RunWatcher::Watched>> RunWatcher::watched() const {
  const std::lock_guard lock(mutex_);
  return watched_;
}

bool RunWatcher::with(const std::string& id, const std::function<void(const RunView&)>& use) const {
  for (const auto& one : watched()) {
    if (one->view.id() != id) continue;
    const std::lock_guard lock(one->mutex);
    use(one->view);
    return true;
  }
  return false;
}

void RunWatcher::with_each(const std::function<void(const RunView&)>& use) const {
  for (const auto& one : watched()) {
    const std::lock_guard lock(one->mutex);
    use(one->view);
  }
}

RunStates RunWatcher::states() const {
  const std::lock_guard lock(mutex_);
  return states_;
}

void RunWatcher::wait_until_read() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return has_read_; });
}

}  // namespace pretrain
