#include "libs/tensor/peak.h"

#include <algorithm>
#include <atomic>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/peak.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Twelve independent chains hide the latency of a fused multiply-add (4 cycles, 2 a cycle) and leave
/// registers for the operands on AVX2. Returns floating-point operations done; `sink` keeps the work alive.
double MultiplyAddLoop(long iterations, float* sink) {
  const hn::ScalableTag<float> d;
  const auto x = hn::Set(d, 0.999F);
  const auto y = hn::Set(d, 0.001F);
  const auto start = [&](float i) { return hn::Set(d, *sink + i); };  // equal chains would be merged into one
  auto a0 = start(0), a1 = start(1), a2 = start(2), a3 = start(3), a4 = start(4), a5 = start(5);
  auto a6 = start(6), a7 = start(7), a8 = start(8), a9 = start(9), a10 = start(10), a11 = start(11);
  for (long i = 0; i < iterations; ++i) {
    a0 = hn::MulAdd(a0, x, y), a1 = hn::MulAdd(a1, x, y), a2 = hn::MulAdd(a2, x, y);
    a3 = hn::MulAdd(a3, x, y), a4 = hn::MulAdd(a4, x, y), a5 = hn::MulAdd(a5, x, y);
    a6 = hn::MulAdd(a6, x, y), a7 = hn::MulAdd(a7, x, y), a8 = hn::MulAdd(a8, x, y);
    a9 = hn::MulAdd(a9, x, y), a10 = hn::MulAdd(a10, x, y), a11 = hn::MulAdd(a11, x, y);
  }
  const auto sum =
      hn::Add(hn::Add(hn::Add(a0, a1), hn::Add(a2, a3)), hn::Add(hn::Add(a4, a5), hn::Add(a6, a7)));
  const auto rest = hn::Add(hn::Add(a8, a9), hn::Add(a10, a11));
  *sink = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum, rest)));
  return static_cast<double>(iterations) * 12 * 2 * static_cast<double>(hn::Lanes(d));
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(MultiplyAddLoop);

double measure_fma_peak(Compute& compute, std::chrono::milliseconds duration) {
  using Clock = std::chrono::steady_clock;
  constexpr long kIterations = 400'000;  // a few milliseconds
  const auto loop = HWY_DYNAMIC_DISPATCH(MultiplyAddLoop);
  const auto threads = static_cast<size_t>(compute.threads());
  std::vector<double> rates(threads);
  const auto round = [&] {
    std::atomic<size_t> arrived{0};
    compute.parallel_for(threads, [&](size_t i) {
      // Waits a moment so that all threads run at once; alone, a core may clock higher than all together.
      const auto patience = Clock::now() + std::chrono::milliseconds(20);
      for (++arrived; arrived < threads && Clock::now() < patience;) {
      }
      float sink = 1.0F + static_cast<float>(i);
      const auto start = Clock::now();
      const double operations = loop(kIterations, &sink);
      rates[i] = sink == 0 ? 0 : operations / std::chrono::duration<double>(Clock::now() - start).count();
    });
    double total = 0;
    for (const double rate : rates) total += rate;
    return total;
  };
  double best = 0;
  const auto end = Clock::now() + duration;
  do {
    best = std::max(best, round());
  } while (Clock::now() < end);
  return best;
}

std::string vector_target() {
  const auto usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);  // the lowest bit is the best target
}

}  // namespace pretrain
#endif  // HWY_ONCE
