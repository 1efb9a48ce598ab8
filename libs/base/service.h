#pragma once
// What a long-running program tells the service manager that started it (systemd's notification protocol).
// Without one every call does nothing.
// Source: sd_notify(3), sd_watchdog_enabled(3).

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace pretrain {

/// Thread-safe. A message that can't be delivered is dropped: the manager's absence must not end the program.
class ServiceNotifier {
 public:
  /// Finds the manager through the environment (NOTIFY_SOCKET, WATCHDOG_USEC).
  ServiceNotifier();

  bool is_managed() const { return managed_; }

  /// The start is over and the service does its work.
  void ready();
  /// The way to the end has begun.
  void stopping();
  /// One line for a person, shown by `systemctl status`.
  void status(std::string_view line);
  /// Start and stop may take this much longer from now on.
  void extend_timeout(std::chrono::seconds time);
  /// The program gets on with its work. Called as often as one likes: the watchdog hears of it four times in
  /// its interval.
  void alive();

 private:
  using Clock = std::chrono::steady_clock;

  void send(const std::string& message);

  bool managed_;
  std::chrono::microseconds watchdog_{0};  // 0: none
  std::atomic<int64_t> next_ping_{0};      // Clock's nanoseconds
};

/// While it is active, a start or stop that takes long is given more time, as long as the process does
/// something: uses the processor, reads or writes, or says so with note(). One that hangs is not.
/// Thread-safe; begins active.
class TimeoutExtender {
 public:
  explicit TimeoutExtender(ServiceNotifier& service,
                           std::chrono::milliseconds look_every = std::chrono::seconds(5));
  ~TimeoutExtender();
  TimeoutExtender(const TimeoutExtender&) = delete;
  TimeoutExtender& operator=(const TimeoutExtender&) = delete;

  void set_active(bool active) { active_ = active; }
  /// Work that this process can't be seen doing got on: that of a child, or of a disk that is waited for.
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
