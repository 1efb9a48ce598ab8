#pragma once
// How the program is asked to stop or to save. SIGTERM, SIGINT (Ctrl-C), SIGHUP (a closed terminal; unless it
// was ignored at the start, as nohup does) and SIGXCPU (a limit on processor time) request a stop, and
// everything that waits watches the token. The first request is answered at once in the log. A further
// SIGTERM or SIGINT leaves without what the first one still does, unless it comes within kSameRequest of it;
// the other two never do, since they come on their own beside or after another. SIGUSR1 asks for a checkpoint
// now.

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

/// What the log says to a request.
struct StopWords {
  std::string now = "the work under way ends";  ///< after "stopping: "
  std::string again = "leaves at once";         ///< what a second request does, after "Ctrl-C again "
  std::string left = "left at once";            ///< when that has come
};

/// Turns signals into a stop token. Create one first thing in main, before any other thread starts: it blocks
/// the signals in the calling thread, which all later threads inherit, and handles them on a thread of its
/// own. Thread-safe.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// timeout(1), for one, signals a process and then the group that it belongs to.
  static constexpr std::chrono::milliseconds kSameRequest{500};
  /// How long after a request the process leaves by itself when nothing has to be saved. What it waits for, a
  /// disk or a reader, may never come; with what is done in this time and the exit it stays within two
  /// seconds.
  static constexpr std::chrono::milliseconds kGrace{1500};

  std::stop_token token() const { return source_.get_token(); }
  bool requested() const { return source_.stop_requested(); }
  /// True once after each SIGUSR1.
  bool take_save_request();

  /// Asked for on the watching thread when a request comes; an empty function brings the usual words back.
  void set_words(std::function<StopWords()> words);
  /// Whether there is work that a stop must not lose, as is supposed at first. While there is none, a process
  /// that does not end within kGrace of the request is left with exit code 0.
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
  bool watches_hangup_;
  sigset_t previous_mask_;
  std::mutex mutex_;  // guards the following two
  std::function<StopWords()> words_;
  std::optional<Clock::time_point> nothing_to_save_since_;
  std::optional<Clock::time_point> requested_at_, typed_at_;  // the watching thread's
  std::thread watcher_;
};

}  // namespace pretrain
