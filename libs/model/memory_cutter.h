// SPDX-License-Identifier: Apache-2.0
#pragma once
// Cuts one block of memory into the tensors of a pass. The same functions plan (without a block) and cut, so
// that what is planned is what is allocated.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "libs/tensor/operand.h"

namespace pretrain {

/// Each tensor begins at a cache line. Without a block it only counts. Single-owner.
class MemoryCutter {
 public:
  explicit MemoryCutter(float* block) : block_(block) {}

  float* take(int64_t rows, int64_t columns = 1) {
    constexpr size_t kFloatsPerLine = 16;
    const size_t at = used_;
    used_ += (static_cast<size_t>(rows * columns) + kFloatsPerLine - 1) / kFloatsPerLine * kFloatsPerLine;
    return block_ == nullptr ? nullptr : block_ + at;
  }

  Operand take_operand(Precision precision, int64_t rows, int64_t columns) {
    float* words = take(words_of(precision, rows * columns));
    return precision == Precision::kBf16 ? Operand(reinterpret_cast<Bf16*>(words)) : Operand(words);
  }

  /// Calls cut(i) for `count` groups of tensors, which all begin at the same place: only one of them is in
  /// use at a time.
  template <typename Cut>
  void overlay(size_t count, const Cut& cut) {
    const size_t begin = used_;
    size_t end = begin;
    for (size_t i = 0; i < count; ++i) {
      used_ = begin;
      cut(i);
      end = std::max(end, used_);
    }
    used_ = end;
  }

  /// Floats so far.
  size_t used() const { return used_; }

 private:
  float* block_;
  size_t used_ = 0;
};

}  // namespace pretrain
