// SPDX-License-Identifier: Apache-2.0
#pragma once
// A pause that a stop request ends. Thread-safe.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace pretrain {

/// Waits for this time; false when a stop was requested.
inline bool wait_unless_stopped(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace pretrain
