// SPDX-License-Identifier: Apache-2.0
#pragma once
// The queue of batches for the trainer. Bounded. The producer never blocks: it asks for room first.
//
//   while (queue.has_room() && (batch = assembler.produce())) queue.push(std::move(*batch));   // producer
//   queue.close();                                                                             // at its end
//   while (const auto batch = queue.pop(stop)) train(*batch);                                  // consumer

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "libs/data/batch.h"

namespace pretrain {

/// Thread-safe; one producer, one consumer.
class BatchQueue {
 public:
  explicit BatchQueue(size_t capacity) : capacity_(capacity) {}

  bool has_room() const;
  /// Requires: has_room().
  void push(Batch batch);
  /// No batch will follow; with an error, pop() throws it once the queue is empty. The first call counts.
  void close(std::exception_ptr error = nullptr);

  /// Called every second of a wait, to close the queue if its producer has died.
  using WhileWaiting = std::function<void()>;

  /// Waits for a batch; nothing at the end.
  /// Errors: Stopped; the error given to close().
  [[nodiscard]] std::optional<Batch> pop(const std::stop_token& stop, const WhileWaiting& while_waiting = {});
  /// Waits until the queue is full or closed (then no batch will follow), or a stop is requested.
  void wait_until_full(const std::stop_token& stop, const WhileWaiting& while_waiting = {});
  /// Puts batches from pop() back at the front, oldest first, even beyond the capacity.
  void give_back(std::vector<Batch> batches);
  /// Calls `reader` with all queued batches, oldest first. Producer and consumer wait meanwhile.
  void read(const std::function<void(const std::deque<Batch>&)>& reader) const;

  size_t size() const;
  size_t capacity() const { return capacity_; }
  /// The largest number of batches so far.
  size_t high_water() const;

 private:
  /// False when a stop came first.
  bool wait(std::unique_lock<std::mutex>& lock, const std::stop_token& stop, bool until_full,
            const WhileWaiting& while_waiting);

  const size_t capacity_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable_any changed_;
  std::deque<Batch> batches_;
  bool closed_ = false;
  std::exception_ptr error_;
  size_t high_water_ = 0;
};

}  // namespace pretrain
