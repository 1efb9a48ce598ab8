// SPDX-License-Identifier: Apache-2.0
#include "libs/world/slot_exchange.h"

#include <algorithm>
#include <vector>

#include "libs/base/check.h"
#include "libs/tensor/reduction.h"

namespace pretrain {
namespace {

constexpr size_t kCut = 64;  // elements: whole cache lines, whole vectors

// Tags. A partial sum has the number of its node within its rank.
constexpr uint32_t kLosses = 1, kSum = 2, kPartialSums = 16;

std::span<const std::byte> bytes_of(const float* values, size_t count) {
  return std::as_bytes(std::span(values, count));
}

std::span<std::byte> writable_bytes_of(float* values, size_t count) {
  return std::as_writable_bytes(std::span(values, count));
}

size_t padded(size_t elements) {
  return (elements + kCut - 1) / kCut * kCut;
}

}  // namespace

ArrayPiece piece_of(size_t elements, int machines, int owner) {
  const auto cut = [&](int at) {
    return at == machines ? elements
                          : elements / kCut * static_cast<size_t>(at) / static_cast<size_t>(machines) * kCut;
  };
  return {.first = cut(owner), .last = cut(owner + 1)};
}

/// Whatever ends the exchange early, the others must not wait for it.
void SlotExchange::run(Fabric& fabric, std::span<const SlotRange> ranges, std::chrono::milliseconds patience,
                       StepGradient& gradient) {
  PRETRAIN_CHECK(ranges.size() == static_cast<size_t>(fabric.size()), "{} ranges, {} ranks", ranges.size(),
                 fabric.size());
  try {
    gather(fabric, ranges, patience, gradient);
    spread(fabric, patience, gradient);
  } catch (...) {
    fabric.close();
    throw;
  }
}

/// The own piece becomes the sum of all slots.
void SlotExchange::gather(Fabric& fabric, std::span<const SlotRange> ranges,
                          std::chrono::milliseconds patience, StepGradient& gradient) {
  const int rank = fabric.rank();
  const std::vector<StepGradient::PartialSum> own = gradient.partial_sums();
  const ArrayPiece mine = piece_of(gradient.size(), fabric.size(), rank);
  size_t foreign = 0;
  for (size_t r = 0; r < ranges.size(); ++r) {
    if (static_cast<int>(r) != rank) foreign += complete_sums(ranges[r]).size();
  }
  const size_t stride = padded(mine.size());
  if (received_.size() < foreign * stride) received_ = Buffer<float>(foreign * stride);

  std::vector<StepGradient::PartialSum> all;  // of the own piece, in the order of the slots
  float* place = received_.data();
  for (int r = 0; r < fabric.size(); ++r) {
    const SlotRange& range = ranges[static_cast<size_t>(r)];
    if (r == rank) {
      for (const auto& sum : own) all.push_back({sum.node, sum.values + mine.first});
      continue;
    }
    uint32_t tag = kPartialSums;
    for (const SumNode& node : complete_sums(range)) {
      all.push_back({node, place});
      fabric.receive(r, tag++, writable_bytes_of(place, mine.size()));
      place += stride;
    }
    fabric.receive(r, kLosses, std::as_writable_bytes(gradient.losses().subspan(range.first, range.size())));
  }
  const SlotRange& own_range = ranges[static_cast<size_t>(rank)];
  for (int r = 0; r < fabric.size(); ++r) {
    if (r == rank) continue;
    const ArrayPiece theirs = piece_of(gradient.size(), fabric.size(), r);
    uint32_t tag = kPartialSums;
    for (const auto& sum : own) fabric.send(r, tag++, bytes_of(sum.values + theirs.first, theirs.size()));
    fabric.send(r, kLosses, std::as_bytes(gradient.losses().subspan(own_range.first, own_range.size())));
  }
  fabric.wait(patience);

  const auto add_right = [&](float* left, float* right) { add(compute_, right, mine.size(), left); };
  SumStack<float*> stack;
  for (const auto& sum : all) stack.push(sum.node, sum.values, add_right);
  stack.fold(add_right);
  const float* sum = stack.entries().front().sum;
  float* values = gradient.values() + mine.first;
  if (sum != values) std::copy_n(sum, mine.size(), values);
}

/// Everyone gets everyone's piece.
void SlotExchange::spread(Fabric& fabric, std::chrono::milliseconds patience, StepGradient& gradient) {
  const ArrayPiece mine = piece_of(gradient.size(), fabric.size(), fabric.rank());
  for (int r = 0; r < fabric.size(); ++r) {
    if (r == fabric.rank()) continue;
    const ArrayPiece theirs = piece_of(gradient.size(), fabric.size(), r);
    fabric.receive(r, kSum, writable_bytes_of(gradient.values() + theirs.first, theirs.size()));
    fabric.send(r, kSum, bytes_of(gradient.values() + mine.first, mine.size()));
  }
  fabric.wait(patience);
}

}  // namespace pretrain
