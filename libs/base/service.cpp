// SPDX-License-Identifier: Apache-2.0
#include "libs/base/service.h"

#include <cstdlib>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include "libs/base/process.h"

namespace pretrain {
namespace {

constexpr int kPingsPerInterval = 4;
/// Extension for each sign of progress; longer than any library works without one.
constexpr std::chrono::seconds kExtension{120};

}  // namespace

ServiceNotifier::ServiceNotifier() {
  const char* socket = std::getenv("NOTIFY_SOCKET");
  managed_ = socket != nullptr && *socket != '\0';
  uint64_t interval = 0;
  if (sd_watchdog_enabled(/*unset_environment=*/0, &interval) > 0)
    watchdog_ = std::chrono::microseconds(interval);
}

void ServiceNotifier::ready() {
  send("READY=1");
}

void ServiceNotifier::stopping() {
  send("STOPPING=1");
}

void ServiceNotifier::status(std::string_view line) {
  send(fmt::format("STATUS={}", line));
}

void ServiceNotifier::extend_timeout(std::chrono::seconds time) {
  send(fmt::format("EXTEND_TIMEOUT_USEC={}", std::chrono::microseconds(time).count()));
}

void ServiceNotifier::alive() {
  if (watchdog_.count() == 0) return;
  const int64_t now = Clock::now().time_since_epoch().count();
  int64_t due = next_ping_;
  if (now < due) return;
  const int64_t next = now + std::chrono::nanoseconds(watchdog_).count() / kPingsPerInterval;
  if (next_ping_.compare_exchange_strong(due, next)) send("WATCHDOG=1");
}

void ServiceNotifier::send(const std::string& message) {
  if (managed_) sd_notify(/*unset_environment=*/0, message.c_str());
}

TimeoutExtender::TimeoutExtender(ServiceNotifier& service, std::chrono::milliseconds look_every)
    : service_(service) {
  if (service.is_managed()) thread_ = std::thread([this, look_every] { run(look_every); });
}

TimeoutExtender::~TimeoutExtender() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void TimeoutExtender::run(std::chrono::milliseconds look_every) {
  uint64_t notes = notes_;
  ProcessEffort effort = process_effort();
  std::unique_lock lock(mutex_);
  do {
    const uint64_t notes_now = notes_;
    const ProcessEffort now = process_effort();
    // This thread uses some processor time itself, so less than a hundredth of the time does not count as
    // work.
    const bool worked = now.cpu_time - effort.cpu_time > look_every / 100 ||
                        now.bytes_moved - effort.bytes_moved > 65'536 || notes_now != notes;
    if (worked && active_) service_.extend_timeout(kExtension);
    notes = notes_now;
    effort = now;
  } while (!changed_.wait_for(lock, look_every, [this] { return quit_; }));
}

}  // namespace pretrain
