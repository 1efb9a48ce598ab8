// SPDX-License-Identifier: Apache-2.0
#pragma once
// The machine's measured limits: what shares of peak and of bandwidth are divided by.

#include <algorithm>
#include <chrono>
#include <span>
#include <string>

#include "libs/tensor/compute.h"
#include "libs/tensor/precision.h"

namespace pretrain {

/// Rates of a register-only multiply-add loop on all threads at once, in FLOP/s: of the instruction that
/// products of the precision are made of.
struct FmaRate {
  double best = 0;  ///< of many rounds of a millisecond: what the machine can do
  double mean = 0;  ///< over the whole time, with other programs on the host
};

/// What one thread has done, and when.
struct WorkSpan {
  std::chrono::steady_clock::time_point begin, end;
  double operations = 0;
};

/// All operations over the time from the first begin to the last end: threads that took turns do not count as
/// if they had worked at once.
/// Requires: at least one span.
double combined_rate(std::span<const WorkSpan> spans);

/// Takes about `duration`, at least one round.
FmaRate measure_fma_rate(Compute& compute, std::chrono::milliseconds duration,
                         Precision precision = Precision::kFloat32);

/// The best rate, which other programs on the host don't lower.
inline double measure_fma_peak(Compute& compute, std::chrono::milliseconds duration,
                               Precision precision = Precision::kFloat32) {
  return measure_fma_rate(compute, duration, precision).best;
}

/// The highest peak measured so far, because other programs on the host only ever lower a measurement.
/// Single-owner.
class FmaPeak {
 public:
  FmaPeak(Compute& compute, Precision precision) : compute_(compute), precision_(precision) {}

  /// Takes about `duration`.
  void measure(std::chrono::milliseconds duration) {
    flops_ = std::max(flops_, measure_fma_peak(compute_, duration, precision_));
  }
  /// FLOP/s; 0 before the first measurement.
  double flops() const { return flops_; }

 private:
  Compute& compute_;
  Precision precision_;
  double flops_ = 0;
};

/// Bytes a second that all threads together move between the processor and memory.
struct Bandwidth {
  double read = 0;  ///< summing up an array
  double copy = 0;  ///< copying an array, bytes read and bytes written both counted
};

/// The best of short rounds over `memory`, which should be several times larger than the caches.
/// Its content is overwritten. Takes about `duration`, at least one round of each.
Bandwidth measure_bandwidth(Compute& compute, Buffer<float>& memory, std::chrono::milliseconds duration);

/// The vector instruction set that the kernels run with, for example "AVX3".
std::string vector_target();

}  // namespace pretrain
