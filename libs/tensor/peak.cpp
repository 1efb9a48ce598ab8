// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/peak.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/peak.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/bf16_pairs-inl.h"
#include "libs/tensor/bf16_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

/// Runs chains of multiply-adds, each a = multiply_add(a, x, y) with `terms` products per lane. Twelve
/// independent chains hide the latency (4 cycles, at 2 instructions per cycle) and leave registers for the
/// operands on AVX2. Returns the number of floating-point operations; `sink` keeps the compiler from removing
/// them.
template <class F>
HWY_INLINE double RunChains(long iterations, int terms, float* sink, const F& multiply_add) {
  const hn::ScalableTag<float> d;
  const auto x = hn::Set(d, 0.999F);
  const auto y = hn::Set(d, 0.001F);
  // Different starts, because the compiler would merge equal chains. The chains converge to 1, so no
  // overflow.
  const auto start = [&](float i) { return hn::Set(d, *sink + i); };
  auto a0 = start(0), a1 = start(1), a2 = start(2), a3 = start(3), a4 = start(4), a5 = start(5);
  auto a6 = start(6), a7 = start(7), a8 = start(8), a9 = start(9), a10 = start(10), a11 = start(11);
  for (long i = 0; i < iterations; ++i) {
    a0 = multiply_add(a0, x, y), a1 = multiply_add(a1, x, y), a2 = multiply_add(a2, x, y);
    a3 = multiply_add(a3, x, y), a4 = multiply_add(a4, x, y), a5 = multiply_add(a5, x, y);
    a6 = multiply_add(a6, x, y), a7 = multiply_add(a7, x, y), a8 = multiply_add(a8, x, y);
    a9 = multiply_add(a9, x, y), a10 = multiply_add(a10, x, y), a11 = multiply_add(a11, x, y);
  }
  const auto sum =
      hn::Add(hn::Add(hn::Add(a0, a1), hn::Add(a2, a3)), hn::Add(hn::Add(a4, a5), hn::Add(a6, a7)));
  const auto rest = hn::Add(hn::Add(a8, a9), hn::Add(a10, a11));
  *sink = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum, rest)));
  return static_cast<double>(iterations) * 12 * 2 * terms * static_cast<double>(hn::Lanes(d));
}

#if PRETRAIN_BF16_TILES
/// The same with tiles: four sums, as the product kernel has them. An instruction takes 16 cycles.
double RunTileChains(long iterations) {
  const TileScope tiles;
  for (long i = 0; i < iterations; ++i) {
    MultiplyTiles<0, 4, 6>();
    MultiplyTiles<1, 4, 7>();
    MultiplyTiles<2, 5, 6>();
    MultiplyTiles<3, 5, 7>();
  }
  constexpr double kTerms = 2 * kTileWords;
  return static_cast<double>(iterations) * 4 * 2 * kTerms * kTileArea;
}
#endif

double MultiplyAddLoop(Precision precision, long iterations, float* sink) {
#if PRETRAIN_BF16_TILES
  if (precision == Precision::kBf16 && HasBf16Tiles()) return RunTileChains(iterations / 10);
#endif
#if PRETRAIN_BF16_INSTRUCTION
  if (precision == Precision::kBf16 && HasBf16Instruction()) {
    return RunChains(iterations, 2, sink, [](auto a, auto x, auto y) { return AddProductsOfPairs(x, y, a); });
  }
#endif
  static_cast<void>(precision);
  return RunChains(iterations, 1, sink, [](auto a, auto x, auto y) { return hn::MulAdd(a, x, y); });
}

/// Reads memory with eight independent loads at a time; the sum keeps the compiler from removing them.
float SumLoop(const float* x, size_t count) {
  const hn::ScalableTag<float> d;
  const size_t N = hn::Lanes(d);
  auto a = hn::Zero(d), b = a, c = a, e = a;
  size_t i = 0;
  for (; i + 8 * N <= count; i += 8 * N) {
    a = hn::Add(a, hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, x + i + N)));
    b = hn::Add(b, hn::Add(hn::LoadU(d, x + i + 2 * N), hn::LoadU(d, x + i + 3 * N)));
    c = hn::Add(c, hn::Add(hn::LoadU(d, x + i + 4 * N), hn::LoadU(d, x + i + 5 * N)));
    e = hn::Add(e, hn::Add(hn::LoadU(d, x + i + 6 * N), hn::LoadU(d, x + i + 7 * N)));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e))));
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(MultiplyAddLoop);
HWY_EXPORT(SumLoop);

double combined_rate(std::span<const WorkSpan> spans) {
  WorkSpan all = spans.front();
  for (const WorkSpan& span : spans.subspan(1)) {
    all = {std::min(all.begin, span.begin), std::max(all.end, span.end), all.operations + span.operations};
  }
  return all.operations / std::chrono::duration<double>(all.end - all.begin).count();
}

/// Each round runs the same work on all threads; their common rate is the work over the time from the first
/// start to the last end. The best round is the peak; the harmonic mean is the rate of the whole time.
FmaRate measure_fma_rate(Compute& compute, std::chrono::milliseconds duration, Precision precision) {
  using Clock = std::chrono::steady_clock;
  constexpr long kIterations = 400'000;  // a few milliseconds
  const auto loop = HWY_DYNAMIC_DISPATCH(MultiplyAddLoop);
  const auto threads = static_cast<size_t>(compute.threads());
  std::vector<WorkSpan> spans(threads);
  const auto round = [&] {
    std::atomic<size_t> arrived{0};
    compute.parallel_for(threads, [&](size_t i) {
      // Waits until all threads are here, because a core alone may clock higher than all cores together.
      // Gives up after 20 ms, in case another program has a core.
      const auto patience = Clock::now() + std::chrono::milliseconds(20);
      for (++arrived; arrived < threads && Clock::now() < patience;) {
      }
      float sink = 1.0F + static_cast<float>(i);
      const auto begin = Clock::now();
      const double operations = loop(precision, kIterations, &sink);
      spans[i] = {begin, Clock::now(), sink == 0 ? 0 : operations};
    });
    return combined_rate(spans);
  };
  double best = 0;
  double sum = 0;  // of seconds per FLOP; all rounds have equal work, so the mean rate is rounds / sum
  int rounds = 0;
  const auto end = Clock::now() + duration;
  do {
    const double rate = round();
    best = std::max(best, rate);
    sum += 1 / rate;
    ++rounds;
  } while (Clock::now() < end);
  return {best, rounds / sum};
}

Bandwidth measure_bandwidth(Compute& compute, Buffer<float>& memory, std::chrono::milliseconds duration) {
  using Clock = std::chrono::steady_clock;
  constexpr size_t kPiece = size_t{256} * 1024;  // floats, 1 MiB: long enough for the hardware prefetcher
  const auto sum = HWY_DYNAMIC_DISPATCH(SumLoop);
  const size_t half = memory.size() / 2;
  std::atomic<int> positive{0};
  const auto rate = [](size_t floats_moved, const auto& work) {
    const auto start = Clock::now();
    work();
    return static_cast<double>(floats_moved * sizeof(float)) /
           std::chrono::duration<double>(Clock::now() - start).count();
  };
  Bandwidth best;
  const auto end = Clock::now() + duration;
  do {
    const double copied = rate(2 * half, [&] {
      compute.parallel_ranges(half, kPiece, [&](size_t begin, size_t until) {
        std::memcpy(memory.data() + half + begin, memory.data() + begin, (until - begin) * sizeof(float));
      });
    });
    const double read = rate(2 * half, [&] {
      compute.parallel_ranges(2 * half, kPiece, [&](size_t begin, size_t until) {
        // Uses the sums, so that the compiler computes them.
        if (sum(memory.data() + begin, until - begin) > 0) ++positive;
      });
    });
    best = {std::max(best.read, read), std::max(best.copy, copied)};
  } while (Clock::now() < end);
  return best;
}

std::string vector_target() {
  const auto usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);  // the lowest bit is the best target
}

}  // namespace pretrain
#endif  // HWY_ONCE
