// SPDX-License-Identifier: Apache-2.0
#include "pipeline/batch_queue.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/error.h"

namespace pretrain {

bool BatchQueue::has_room() const {
  const std::lock_guard lock(mutex_);
  return batches_.size() < capacity_ && !closed_;
}

void BatchQueue::push(Batch batch) {
  const std::lock_guard lock(mutex_);
  PRETRAIN_CHECK(batches_.size() < capacity_, "{} batches", batches_.size());
  batches_.push_back(std::move(batch));
  high_water_ = std::max(high_water_, batches_.size());
  changed_.notify_all();
}

void BatchQueue::close(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  closed_ = true;
  error_ = std::move(error);
  changed_.notify_all();
}

/// Wakes every second to call `while_waiting`, without the lock, because that may close the queue.
bool BatchQueue::wait(std::unique_lock<std::mutex>& lock, const std::stop_token& stop, bool until_full,
                      const WhileWaiting& while_waiting) {
  constexpr std::chrono::seconds kTick{1};
  const auto ready = [&] {
    return closed_ || (until_full ? batches_.size() >= capacity_ : !batches_.empty());
  };
  while (!changed_.wait_for(lock, stop, kTick, ready)) {
    if (stop.stop_requested()) return false;
    if (!while_waiting) continue;
    lock.unlock();
    while_waiting();
    lock.lock();
  }
  return true;
}

/// An error only surfaces once the queue is empty: the batches made before it are still valid.
std::optional<Batch> BatchQueue::pop(const std::stop_token& stop, const WhileWaiting& while_waiting) {
  std::unique_lock lock(mutex_);
  if (!wait(lock, stop, false, while_waiting)) throw Stopped();
  if (batches_.empty()) {
    if (error_ != nullptr) std::rethrow_exception(error_);
    return std::nullopt;
  }
  std::optional<Batch> batch(std::move(batches_.front()));
  batches_.pop_front();
  return batch;
}

/// May exceed the capacity, because the producer can't take back what it has made since; it has no room until
/// these are taken again.
void BatchQueue::give_back(std::vector<Batch> batches) {
  const std::lock_guard lock(mutex_);
  batches_.insert(batches_.begin(), std::make_move_iterator(batches.begin()),
                  std::make_move_iterator(batches.end()));
  changed_.notify_all();
}

void BatchQueue::wait_until_full(const std::stop_token& stop, const WhileWaiting& while_waiting) {
  std::unique_lock lock(mutex_);
  wait(lock, stop, true, while_waiting);
}

/// Under the lock, so that what a checkpoint records is one state of the queue.
void BatchQueue::read(const std::function<void(const std::deque<Batch>&)>& reader) const {
  const std::lock_guard lock(mutex_);
  reader(batches_);
}

size_t BatchQueue::size() const {
  const std::lock_guard lock(mutex_);
  return batches_.size();
}

size_t BatchQueue::high_water() const {
  const std::lock_guard lock(mutex_);
  return high_water_;
}

}  // namespace pretrain
