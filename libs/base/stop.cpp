#include "libs/base/stop.h"

#include <cstdlib>

#include <pthread.h>
#include <unistd.h>

namespace pretrain {
namespace {

/// Leaving at once is harmless: nothing that was acknowledged as saved depends on the way out.
constexpr int kSecondSignalExitCode = 130;

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);  // wakes the watcher when the program ends by itself
  return set;
}

}  // namespace

StopSignal::StopSignal() {
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_BLOCK, &set, &previous_mask_);
  watcher_ = std::thread([this] { watch(); });
}

StopSignal::~StopSignal() {
  quit_ = true;
  pthread_kill(watcher_.native_handle(), SIGUSR2);
  watcher_.join();
  const sigset_t set = watched_signals();
  constexpr timespec kNow{};
  while (sigtimedwait(&set, nullptr, &kNow) > 0) {  // came too late to change anything
  }
  pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

bool StopSignal::take_save_request() {
  return save_requested_.exchange(false);
}

void StopSignal::watch() {
  const sigset_t set = watched_signals();
  std::chrono::steady_clock::time_point requested_at;
  while (!quit_) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0 || quit_) continue;
    if (signal == SIGUSR1) {
      save_requested_ = true;
    } else if (signal != SIGUSR2) {
      if (source_.request_stop()) {
        requested_at = std::chrono::steady_clock::now();  // after all that the request set off
      } else if (std::chrono::steady_clock::now() - requested_at > kSameRequest) {
        _exit(kSecondSignalExitCode);
      }
    }
  }
}

}  // namespace pretrain
