#include "libs/tensor/compute.h"

#include <tbb/task_scheduler_observer.h>

#if defined(__SSE__)
#include <immintrin.h>
#endif

namespace pretrain {

void prepare_compute_thread() {
#if defined(__SSE__)
  constexpr unsigned kFlushToZero = 0x8000;
  constexpr unsigned kDenormalsAreZero = 0x0040;
  _mm_setcsr(_mm_getcsr() | kFlushToZero |
             kDenormalsAreZero);  // a denormal costs a hundred cycles and carries nothing
#endif
}

class Compute::Observer : public tbb::task_scheduler_observer {
 public:
  explicit Observer(tbb::task_arena& arena) : tbb::task_scheduler_observer(arena) { observe(true); }
  ~Observer() override { observe(false); }
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  void on_scheduler_entry(bool) override { prepare_compute_thread(); }
};

Compute::Compute(int threads)
    : threads_(threads),
      scratch_(static_cast<size_t>(threads) * kScratchFloats),
      arena_(threads, /*reserved_for_masters=*/1, tbb::task_arena::priority::high),
      observer_(std::make_unique<Observer>(arena_)) {
  prepare_compute_thread();
}

Compute::~Compute() = default;

}  // namespace pretrain
