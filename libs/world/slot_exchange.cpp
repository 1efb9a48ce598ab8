// SPDX-License-Identifier: Apache-2.0
#include "libs/world/slot_exchange.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "libs/base/check.h"
#include "libs/tensor/reduction.h"
#include "libs/tensor/rounded_sum.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kCut = 64;  // elements: whole cache lines, whole vectors

// Tags. A bucket has one for its sum and one for each partial sum of a rank.
constexpr uint32_t kLosses = 1, kTagsOfABucket = 128;

uint32_t tag_of_sum(size_t bucket) {
  return static_cast<uint32_t>(bucket + 1) * kTagsOfABucket;
}

uint32_t tag_of_partial_sum(size_t bucket, size_t number) {
  return tag_of_sum(bucket) + 1 + static_cast<uint32_t>(number);
}

template <typename T>
std::span<const std::byte> bytes_of(const T* values, const ElementRange& range) {
  return std::as_bytes(std::span(values + range.first, range.size()));
}

template <typename T>
std::span<std::byte> writable_bytes_of(T* values, const ElementRange& range) {
  return std::as_writable_bytes(std::span(values + range.first, range.size()));
}

/// Elements of a bucket, counted from its start.
ElementRange within(const ElementRange& bucket, const ElementRange& range) {
  return {range.first - bucket.first, range.last - bucket.first};
}

template <typename T>
void reserve(Buffer<T>& buffer, size_t elements) {
  if (buffer.size() < elements) buffer = Buffer<T>(elements);
}

bool is_bf16(const SlotExchange::Step& step) {
  return step.gradient.exchange() == Precision::kBf16;
}

size_t padded(size_t elements) {
  return (elements + kCut - 1) / kCut * kCut;
}

const SlotRange& range_of(const SlotExchange::Step& step, int rank) {
  return step.ranges[static_cast<size_t>(rank)];
}

/// Calls f(rank) for the others.
template <typename F>
void for_each_peer(const Fabric& fabric, const F& f) {
  for (int rank = 0; rank < fabric.size(); ++rank) {
    if (rank != fabric.rank()) f(rank);
  }
}

}  // namespace

ElementRange piece_of(const ElementRange& bucket, int machines, int owner) {
  const size_t elements = bucket.size();
  const auto cut = [&](int at) {
    return at == machines ? elements
                          : elements / kCut * static_cast<size_t>(at) / static_cast<size_t>(machines) * kCut;
  };
  return {.first = bucket.first + cut(owner), .last = bucket.first + cut(owner + 1)};
}

std::vector<ElementRange> buckets_of(std::span<const ElementRange> parts, const BucketSizes& sizes) {
  std::vector<ElementRange> buckets;
  ElementRange joined;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i == 0 || joined.size() == 0) joined = {parts[i].last, parts[i].last};
    PRETRAIN_CHECK(parts[i].last == joined.first, "part of {} to {} before {}", parts[i].first, parts[i].last,
                   joined.first);
    joined.first = parts[i].first;
    if (joined.size() < sizes.least && i + 1 < parts.size()) continue;
    const size_t count = (joined.size() + sizes.most - 1) / sizes.most;
    for (size_t k = 0; k < count; ++k)
      buckets.push_back(piece_of(joined, static_cast<int>(count), static_cast<int>(k)));
    joined = {};
  }
  return buckets;
}

/// What the machine has computed so far of a step, for the thread that exchanges it. Thread-safe.
class SlotExchange::Progress {
 public:
  /// Elements from here to the end of the flat array are complete.
  void note_complete_from(size_t first) {
    const std::lock_guard lock(mutex_);
    complete_from_ = first;
    changed_.notify_all();
  }
  void note_all_complete() {
    const std::lock_guard lock(mutex_);
    complete_from_ = 0;
    computed_at_ = Clock::now();
    is_computed_ = true;
    changed_.notify_all();
  }
  /// There will be no more.
  void cancel() {
    const std::lock_guard lock(mutex_);
    is_cancelled_ = true;
    changed_.notify_all();
  }

  bool is_complete(const ElementRange& range) {
    const std::lock_guard lock(mutex_);
    return complete_from_ <= range.first;
  }
  /// False when the step is cancelled.
  bool wait_for(const ElementRange& range) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_cancelled_ || complete_from_ <= range.first; });
    return !is_cancelled_;
  }
  /// For losses, too.
  bool wait_for_all() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_cancelled_ || is_computed_; });
    return !is_cancelled_;
  }

  /// Of the exchanging thread: times that were spent on the exchange.
  template <typename F>
  void timed(const F& f) {
    const auto start = Clock::now();
    f();
    spans_.push_back({start, Clock::now()});
  }
  /// Once that thread has ended.
  ExchangeTimes times() const {
    using Seconds = std::chrono::duration<double>;
    ExchangeTimes times;
    for (const auto& [start, end] : spans_) {
      times.seconds += Seconds(end - start).count();
      times.hidden_seconds += std::max(0.0, Seconds(std::min(end, computed_at_) - start).count());
    }
    return times;
  }

 private:
  struct Span {
    Clock::time_point start, end;
  };

  std::mutex mutex_;  // guards the following
  std::condition_variable changed_;
  size_t complete_from_ = SIZE_MAX;
  bool is_computed_ = false, is_cancelled_ = false;
  Clock::time_point computed_at_;
  std::vector<Span> spans_;  // the exchanging thread's
};

SlotExchange::SlotExchange(std::vector<ElementRange> buckets) : buckets_(std::move(buckets)), compute_(1) {}

/// Whatever ends the step early, the others must not wait for it.
ExchangeTimes SlotExchange::run(const Step& step, const std::function<void(const OnGradientPart&)>& compute) {
  PRETRAIN_CHECK(step.ranges.size() == static_cast<size_t>(step.fabric.size()), "{} ranges, {} ranks",
                 step.ranges.size(), step.fabric.size());
  Progress progress;
  std::exception_ptr failure;
  std::jthread thread([&] {
    try {
      exchange(step, progress);
    } catch (...) {
      step.fabric.close();
      failure = std::current_exception();
    }
  });
  try {
    compute([&](const ElementRange& part) { progress.note_complete_from(part.first); });
  } catch (...) {
    progress.cancel();
    step.fabric.close();
    throw;  // the thread is joined first
  }
  progress.note_all_complete();
  thread.join();
  if (failure) std::rethrow_exception(failure);
  return progress.times();
}

/// The sum of a bucket is sent while the partial sums of the next one are on their way, if that is complete already.
void SlotExchange::exchange(const Step& step, Progress& progress) {
  std::optional<size_t> spreading;
  const auto wait = [&] {
    step.fabric.wait(step.patience);
    if (spreading) take_sums(step, *std::exchange(spreading, std::nullopt));
  };
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    if (spreading && !progress.is_complete(buckets_[bucket])) progress.timed(wait);
    if (!progress.wait_for(buckets_[bucket])) return;
    progress.timed([&] {
      gather(step, bucket);
      wait();
      add_up(step, bucket);
      spread(step, bucket);
    });
    spreading = bucket;
  }
  if (!progress.wait_for_all()) return;
  progress.timed([&] {
    exchange_losses(step);
    wait();
  });
}

/// Starts to receive the partial sums of the own piece, and to send those of the others' pieces.
void SlotExchange::gather(const Step& step, size_t number) {
  Fabric& fabric = step.fabric;
  const ElementRange& bucket = buckets_[number];
  const size_t mine = piece_of(bucket, fabric.size(), fabric.rank()).size();
  const size_t stride = padded(mine);
  size_t foreign = 0;
  for_each_peer(fabric, [&](int rank) { foreign += complete_sums(range_of(step, rank)).size(); });
  reserve(received_, foreign * stride);
  if (is_bf16(step)) reserve(received_halves_, foreign * stride);
  size_t place = 0;
  for_each_peer(fabric, [&](int rank) {
    const size_t sums = complete_sums(range_of(step, rank)).size();
    for (size_t i = 0; i < sums; ++i, place += stride) {
      const ElementRange there{place, place + mine};
      fabric.receive(rank, tag_of_partial_sum(number, i),
                     is_bf16(step) ? writable_bytes_of(received_halves_.data(), there)
                                   : writable_bytes_of(received_.data(), there));
    }
  });
  const std::vector<StepGradient::PartialSum> own = step.gradient.partial_sums();
  const size_t whole = padded(bucket.size());
  if (is_bf16(step)) reserve(sent_halves_, own.size() * whole);
  for (size_t i = 0; i < own.size(); ++i) {
    Bf16* halves = sent_halves_.data() + i * whole;  // of the bucket
    if (is_bf16(step)) to_bf16(compute_, own[i].values + bucket.first, bucket.size(), halves);
    for_each_peer(fabric, [&](int rank) {
      const ElementRange theirs = piece_of(bucket, fabric.size(), rank);
      fabric.send(rank, tag_of_partial_sum(number, i),
                  is_bf16(step) ? bytes_of(halves, within(bucket, theirs)) : bytes_of(own[i].values, theirs));
    });
  }
}

/// The own piece becomes the sum of all slots.
void SlotExchange::add_up(const Step& step, size_t number) {
  const ElementRange mine = piece_of(buckets_[number], step.fabric.size(), step.fabric.rank());
  const auto add_right = [&](float* left, float* right) {
    if (is_bf16(step)) {
      add_rounded_to_bf16(compute_, right, mine.size(), left);
    } else {
      add(compute_, right, mine.size(), left);
    }
  };
  SumStack<float*> stack;
  size_t place = 0;
  for (int rank = 0; rank < step.fabric.size(); ++rank) {
    if (rank == step.fabric.rank()) {
      for (const auto& sum : step.gradient.partial_sums())
        stack.push(sum.node, sum.values + mine.first, add_right);
      continue;
    }
    for (const SumNode& node : complete_sums(range_of(step, rank))) {
      float* values = received_.data() + place;
      if (is_bf16(step)) from_bf16(compute_, received_halves_.data() + place, mine.size(), values);
      stack.push(node, values, add_right);
      place += padded(mine.size());
    }
  }
  stack.fold(add_right);
  const float* sum = stack.entries().front().sum;
  float* values = step.gradient.values() + mine.first;
  if (sum != values) std::copy_n(sum, mine.size(), values);
}

/// Starts to send the own piece to everyone, and to receive theirs.
void SlotExchange::spread(const Step& step, size_t number) {
  Fabric& fabric = step.fabric;
  const ElementRange& bucket = buckets_[number];
  const ElementRange mine = piece_of(bucket, fabric.size(), fabric.rank());
  float* values = step.gradient.values();
  Bf16* halves = nullptr;  // of the bucket
  if (is_bf16(step)) {
    reserve(sum_halves_, bucket.size());
    halves = sum_halves_.data();
    to_bf16(compute_, values + mine.first, mine.size(), halves + within(bucket, mine).first);
  }
  for_each_peer(fabric, [&](int rank) {
    const ElementRange theirs = piece_of(bucket, fabric.size(), rank);
    fabric.receive(rank, tag_of_sum(number),
                   halves != nullptr ? writable_bytes_of(halves, within(bucket, theirs))
                                     : writable_bytes_of(values, theirs));
    fabric.send(rank, tag_of_sum(number),
                halves != nullptr ? bytes_of(halves, within(bucket, mine)) : bytes_of(values, mine));
  });
}

/// What spread() has received becomes the gradient.
void SlotExchange::take_sums(const Step& step, size_t number) {
  if (!is_bf16(step)) return;  // it is there already
  const ElementRange& bucket = buckets_[number];
  for_each_peer(step.fabric, [&](int rank) {
    const ElementRange theirs = piece_of(bucket, step.fabric.size(), rank);
    from_bf16(compute_, sum_halves_.data() + within(bucket, theirs).first, theirs.size(),
              step.gradient.values() + theirs.first);
  });
}

void SlotExchange::exchange_losses(const Step& step) {
  const std::span<double> losses = step.gradient.losses();
  const auto of_rank = [&](int rank) {
    const SlotRange& range = range_of(step, rank);
    return losses.subspan(range.first, range.size());
  };
  for_each_peer(step.fabric, [&](int rank) {
    step.fabric.receive(rank, kLosses, std::as_writable_bytes(of_rank(rank)));
    step.fabric.send(rank, kLosses, std::as_bytes(of_rank(step.fabric.rank())));
  });
}

}  // namespace pretrain
