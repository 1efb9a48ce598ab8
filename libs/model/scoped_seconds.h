// SPDX-License-Identifier: Apache-2.0
#pragma once
// Adds the time of a scope to a counter.

#include <chrono>

namespace pretrain {

class ScopedSeconds {
 public:
  /// Adds to `total` and, if there is one, to `also`.
  explicit ScopedSeconds(double& total, double* also = nullptr) : total_(total), also_(also) {}
  ~ScopedSeconds() {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    total_ += seconds;
    if (also_ != nullptr) *also_ += seconds;
  }
  ScopedSeconds(const ScopedSeconds&) = delete;
  ScopedSeconds& operator=(const ScopedSeconds&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double& total_;
  double* also_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace pretrain
