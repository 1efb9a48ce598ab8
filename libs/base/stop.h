// SPDX-License-Identifier: Apache-2.0
#pragma once
// Stop and save requests by signals. SIGTERM, SIGINT (Ctrl-C), SIGQUIT (Ctrl-\), SIGHUP (a closed terminal; these two
// stay ignored if they were at the start, as nohup does), SIGXCPU (a limit on processor time) and each other signal
// that would end the process by default (a timer of the parent, SIGPWR, real-time signals) request a stop, and
// everything that waits watches the token. SIGQUIT is no request for a core: the user who types it wants the program
// to end, not to lose work. Signals of a crash (SIGSEGV, SIGABRT) keep their effect. The log answers the first request
// at once. A second SIGTERM, SIGINT or SIGQUIT, more than kSameRequest later, exits without finishing the work; the
// others never do, because they can follow another signal without the user's intent. SIGUSR1 requests a checkpoint.
//
//   StopSignal stop;                     // first in main
//   while (!stop.requested()) work(stop.token());

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

namespace pretrain {

/// The texts of the log's answer to a request.
struct StopWords {
  std::string now = "finishing the current work";  ///< after "stopping: "; empty: no answer is needed
  std::string again = "exits immediately";         ///< what a second request does, after "Ctrl-C again "
  std::string left = "exited immediately";         ///< after a second request
};

/// Turns signals into a stop token. It blocks the signals in the calling thread, from which later threads
/// inherit this, and handles them on its own thread. Thread-safe.
/// Requires: created first in main, before any other thread starts.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// Signals within this time are one request: timeout(1), for example, signals a process and then its group.
  static constexpr std::chrono::milliseconds kSameRequest{500};
  /// Time after a request until a process with nothing to save exits by itself, because it may wait forever
  /// for a disk or a reader. Together with the exit, a stop then takes less than two seconds.
  static constexpr std::chrono::milliseconds kGrace{1500};

  std::stop_token token() const { return source_.get_token(); }
  bool requested() const { return source_.stop_requested(); }
  /// True once after each SIGUSR1.
  bool take_save_request();

  /// Called on the watching thread at a request; an empty function restores the default words.
  void set_words(std::function<StopWords()> words);
  /// For a program that has no other end than a stop: the first request gets no answer.
  void end_without_answer() {
    set_words([] { return StopWords{.now = ""}; });
  }
  /// Sets whether there is work that a stop must not lose (default: true). Without such work, the process
  /// exits with code 0 if it has not ended within kGrace of the request.
  void set_work_to_save(bool work);

 private:
  using Clock = std::chrono::steady_clock;

  void watch();
  int wait_for_signal() const;
  void take_stop(int signal);
  void leave_when_due();
  StopWords words();

  std::stop_source source_;
  std::atomic<bool> save_requested_{false};
  std::atomic<bool> quit_{false};
  sigset_t watched_;
  sigset_t previous_mask_;
  std::mutex mutex_;  // guards the following two
  std::function<StopWords()> words_;
  std::optional<Clock::time_point> nothing_to_save_since_;
  std::optional<Clock::time_point> requested_at_, typed_at_;  // the watching thread's
  std::thread watcher_;
};

}  // namespace pretrain
