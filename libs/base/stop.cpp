// SPDX-License-Identifier: Apache-2.0
#include "libs/base/stop.h"

#include <algorithm>
#include <utility>

#include <pthread.h>
#include <unistd.h>

#include "libs/base/log.h"

namespace pretrain {
namespace {

/// Exiting immediately is safe: no acknowledged checkpoint depends on an orderly exit.
constexpr int kSecondSignalExitCode = 130;
/// Wakes the watcher when the program ends by itself.
constexpr int kWakeUp = SIGUSR2;

/// Would end the process without a save: it is neither ignored nor handled, by a profiler for example.
bool ends_process(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_DFL;
}

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGXCPU, SIGUSR1, kWakeUp}) sigaddset(&set, signal);
  for (const int signal : {SIGHUP, SIGQUIT, SIGALRM, SIGVTALRM, SIGPROF, SIGPWR, SIGIO, SIGSTKFLT}) {
    if (ends_process(signal)) sigaddset(&set, signal);
  }
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) {
    if (ends_process(signal)) sigaddset(&set, signal);
  }
  return set;
}

bool is_typed(int signal) {
  return signal == SIGINT || signal == SIGQUIT;
}

const char* second_request(int signal) {
  if (signal == SIGINT) return "Ctrl-C again";
  return signal == SIGQUIT ? "Ctrl-\\ again" : "a second signal";
}

bool asks_again(int signal) {
  return is_typed(signal) || signal == SIGTERM;
}

std::string answer_to(int signal, const StopWords& words) {
  if (!asks_again(signal)) return fmt::format("stopping: {}", words.now);
  return fmt::format("stopping: {} ({} {})", words.now, second_request(signal), words.again);
}

/// The terminal echoes Ctrl-C and Ctrl-\ at the cursor, so what comes next needs a new line.
void log_answer(int signal, const std::string& text) {
  if (is_typed(signal)) leave_typed_line();
  log_info("{}", text);
}

void answer_first(int signal, const StopWords& words) {
  if (!words.now.empty()) return log_answer(signal, answer_to(signal, words));
  if (is_typed(signal)) leave_typed_line();
}

}  // namespace

StopSignal::StopSignal() : watched_(watched_signals()) {
  pthread_sigmask(SIG_BLOCK, &watched_, &previous_mask_);
  watcher_ = std::thread([this] { watch(); });
}

StopSignal::~StopSignal() {
  quit_ = true;
  pthread_kill(watcher_.native_handle(), kWakeUp);
  watcher_.join();
  constexpr timespec kNow{};
  while (sigtimedwait(&watched_, nullptr, &kNow) >
         0) {  // discard pending signals: it is too late to act on them
  }
  pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

bool StopSignal::take_save_request() {
  return save_requested_.exchange(false);
}

void StopSignal::set_words(std::function<StopWords()> words) {
  const std::lock_guard lock(mutex_);
  words_ = std::move(words);
}

void StopSignal::set_work_to_save(bool work) {
  const std::lock_guard lock(mutex_);
  if (work) {
    nothing_to_save_since_.reset();
  } else if (!nothing_to_save_since_) {
    nothing_to_save_since_ = Clock::now();
  }
}

StopWords StopSignal::words() {
  const std::lock_guard lock(mutex_);
  return words_ ? words_() : StopWords{};
}

void StopSignal::watch() {
  while (!quit_) {
    const int signal = wait_for_signal();
    if (quit_) return;
    if (signal == SIGUSR1) {
      save_requested_ = true;
    } else if (signal > 0 && signal != kWakeUp) {
      take_stop(signal);
    }
    leave_when_due();
  }
}

/// Waits for a signal. Once a stop was requested, also returns after a while without one.
int StopSignal::wait_for_signal() const {
  if (!requested_at_) {
    int signal = 0;
    return sigwait(&watched_, &signal) == 0 ? signal : 0;
  }
  constexpr timespec kLookEvery{.tv_sec = 0, .tv_nsec = 50'000'000};
  return sigtimedwait(&watched_, nullptr, &kLookEvery);
}

void StopSignal::take_stop(int signal) {
  const bool first = source_.request_stop();
  const auto now = Clock::now();  // after the callbacks of the request
  if (first) requested_at_ = now;
  if (!asks_again(signal)) {
    if (first) answer_first(signal, words());
  } else if (!typed_at_) {
    typed_at_ = now;
    answer_first(signal, words());
  } else if (now - *typed_at_ > kSameRequest) {
    log_answer(signal, words().left);
    _exit(kSecondSignalExitCode);
  }
}

void StopSignal::leave_when_due() {
  if (!requested_at_) return;
  {
    const std::lock_guard lock(mutex_);
    if (!nothing_to_save_since_) return;
    if (Clock::now() - std::max(*nothing_to_save_since_, *requested_at_) < kGrace) return;
  }
  log_info("stopped on request");
  _exit(0);
}

}  // namespace pretrain
