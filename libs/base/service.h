// SPDX-License-Identifier: Apache-2.0
#pragma once
// Notifies the service manager that started the program (systemd's notification protocol). Without a service
// manager, all calls do nothing.
// Source: sd_notify(3), sd_watchdog_enabled(3).
//
//   ServiceNotifier service;
//   service.ready();            // after the start
//   service.alive();            // regularly, from the working thread
//   service.status("step 10");
//   service.stopping();

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace pretrain {

/// Thread-safe. A message that can't be delivered is dropped, because a missing service manager must not end
/// the program.
class ServiceNotifier {
 public:
  /// Finds the service manager through the environment (NOTIFY_SOCKET, WATCHDOG_USEC).
  ServiceNotifier();

  bool is_managed() const { return managed_; }

  /// The start is complete; the service is working.
  void ready();
  /// The service has started to shut down.
  void stopping();
  /// One line for the user, shown by `systemctl status`.
  void status(std::string_view line);
  /// Extends the timeout of the start or stop to this time from now.
  void extend_timeout(std::chrono::seconds time);
  /// Reports progress. Call it as often as you like: pings are limited to four per watchdog interval.
  void alive();

 private:
  using Clock = std::chrono::steady_clock;

  void send(const std::string& message);

  bool managed_;
  std::chrono::microseconds watchdog_{0};  // 0: none
  std::atomic<int64_t> next_ping_{0};      // Clock's nanoseconds
};

/// While active, extends the timeout of a long start or stop as long as the process makes progress: it uses
/// the processor, reads or writes, or calls note(). A process that hangs gets no extension. Thread-safe;
/// starts active.
class TimeoutExtender {
 public:
  explicit TimeoutExtender(ServiceNotifier& service,
                           std::chrono::milliseconds look_every = std::chrono::seconds(5));
  ~TimeoutExtender();
  TimeoutExtender(const TimeoutExtender&) = delete;
  TimeoutExtender& operator=(const TimeoutExtender&) = delete;

  void set_active(bool active) { active_ = active; }
  /// Reports progress outside this process: in a child, or on a disk that it waits for.
  void note() { ++notes_; }

 private:
  void run(std::chrono::milliseconds look_every);

  ServiceNotifier& service_;
  std::atomic<bool> active_{true};
  std::atomic<uint64_t> notes_{0};
  std::mutex mutex_;  // guards quit_
  std::condition_variable changed_;
  bool quit_ = false;
  std::thread thread_;
};

}  // namespace pretrain
