#pragma once
// How the program is asked to stop or to save. SIGTERM and SIGINT request a stop (everything that waits
// watches the token), a second one leaves at once unless it comes within kSameRequest of the first; SIGUSR1
// asks for a checkpoint now.

#include <atomic>
#include <chrono>
#include <csignal>
#include <stop_token>
#include <thread>

namespace pretrain {

/// Turns signals into a stop token. Create one first thing in main, before any other thread starts: it blocks
/// the signals in the calling thread, which all later threads inherit, and handles them on a thread of its
/// own.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// timeout(1), for one, signals a process and then the group that it belongs to.
  static constexpr std::chrono::milliseconds kSameRequest{500};

  std::stop_token token() const { return source_.get_token(); }
  bool requested() const { return source_.stop_requested(); }
  /// True once after each SIGUSR1. Thread-safe.
  bool take_save_request();

 private:
  void watch();

  std::stop_source source_;
  std::atomic<bool> save_requested_{false};
  std::atomic<bool> quit_{false};
  sigset_t previous_mask_;
  std::thread watcher_;
};

}  // namespace pretrain
