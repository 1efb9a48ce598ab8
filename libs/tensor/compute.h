// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where training computes: a task arena of its own with a fixed number of slots, so that a training loop
// never picks up loader work. Work is cut by shape, never by thread count: results do not depend on
// `threads`.

#include <chrono>
#include <cstddef>
#include <vector>

#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include "libs/tensor/buffer.h"

namespace pretrain {

/// One parallel loop that has run.
struct ParallelLoop {
  size_t count = 0;  ///< pieces of work
  double seconds = 0;
};

/// The arena that all kernels run in. Used from one thread at a time (the trainer's); not thread-safe.
///
///   Compute compute(threads);
///   compute.parallel_ranges(values.size(), 4096, [&](size_t begin, size_t end) {
///     for (size_t i = begin; i < end; ++i) values[i] *= factor;
///   });
class Compute {
 public:
  explicit Compute(int threads);
  Compute(const Compute&) = delete;
  Compute& operator=(const Compute&) = delete;

  /// Number of slots: the most threads that compute at once.
  int threads() const { return threads_; }

  /// From now on adds each parallel loop to `loops`, until called with nullptr: for finding out what runs
  /// serially.
  void record_loops(std::vector<ParallelLoop>* loops) { loops_ = loops; }

  /// Runs f(i) for each i in [0, count), in any order, on the arena's threads; waits for all.
  template <typename F>
  void parallel_for(size_t count, const F& f) {
    if (count == 0) return;
    const LoopRecord record(loops_, count);
    arena_.execute([&] {
      tbb::task_group_context context = flushing_context();
      tbb::parallel_for(
          tbb::blocked_range<size_t>(0, count, 1),
          [&](const tbb::blocked_range<size_t>& range) {
            for (size_t i = range.begin(); i != range.end(); ++i) f(i);
          },
          tbb::simple_partitioner(), context);
    });
  }

  /// Runs f(begin, end) on pieces of [0, count) of `grain` elements each (the last may be shorter).
  template <typename F>
  void parallel_ranges(size_t count, size_t grain, const F& f) {
    parallel_for((count + grain - 1) / grain, [&](size_t piece) {
      const size_t begin = piece * grain;
      f(begin, begin + grain < count ? begin + grain : count);
    });
  }

  /// The calling thread's slot in [0, threads()).
  /// Requires: called inside parallel_for.
  static int slot() { return tbb::this_task_arena::current_thread_index(); }

  /// kScratchFloats floats that the calling thread may use until its piece of work ends; not initialised.
  /// Requires: called inside parallel_for.
  float* scratch() { return scratch_.data() + static_cast<size_t>(slot()) * kScratchFloats; }
  static constexpr int64_t kScratchFloats = int64_t{96} * 1024;

 private:
  /// Adds the loop of its scope to `loops`, unless that is null.
  class LoopRecord {
   public:
    LoopRecord(std::vector<ParallelLoop>* loops, size_t count) : loops_(loops), count_(count) {
      if (loops_ != nullptr) start_ = Clock::now();
    }
    ~LoopRecord() {
      if (loops_ != nullptr)
        loops_->push_back({count_, std::chrono::duration<double>(Clock::now() - start_).count()});
    }
    LoopRecord(const LoopRecord&) = delete;
    LoopRecord& operator=(const LoopRecord&) = delete;

   private:
    using Clock = std::chrono::steady_clock;
    std::vector<ParallelLoop>* loops_;
    size_t count_;
    Clock::time_point start_;
  };

  /// The context of one loop. oneTBB runs each task with the floating-point settings of its context, not with
  /// those of the thread, and a context copies the settings of the thread that creates it. The arena's
  /// context can't be used, because it has the settings of the first user of oneTBB in this process. Each
  /// loop has its own, because an exception cancels a context permanently.
  static tbb::task_group_context flushing_context();

  std::vector<ParallelLoop>* loops_ = nullptr;
  int threads_;
  Buffer<float> scratch_;
  tbb::task_arena arena_;
};

/// Prepares the calling thread for kernels: denormals flushed to zero. Compute does it for each piece of its
/// work.
void prepare_compute_thread();

}  // namespace pretrain
