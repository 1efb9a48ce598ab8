// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory of the training step: allocated once, aligned for vectors and cache lines, never grown.

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include "libs/base/huge_pages.h"

namespace pretrain {

/// An array of trivial elements, 64-byte aligned, not initialised. Single-owner.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size) : size_(size) {
    if (size == 0) return;
    const size_t wanted = size * sizeof(T);
    const size_t alignment = wanted >= kHugePage ? kHugePage : kCacheLine;
    const size_t bytes = (wanted + kCacheLine - 1) / kCacheLine * kCacheLine;
    void* memory = nullptr;  // not by aligned_alloc(): the size is no multiple of the alignment
    if (posix_memalign(&memory, alignment, bytes) != 0) throw std::bad_alloc();
    data_.reset(static_cast<T*>(memory));
    if (wanted >= kHugePage) prefer_huge_pages(data_.get(), bytes);
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data_.get()[i]; }
  const T& operator[](size_t i) const { return data_.get()[i]; }
  std::span<T> span() { return {data(), size_}; }
  std::span<const T> span() const { return {data(), size_}; }

 private:
  static constexpr size_t kCacheLine = 64;
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  size_t size_ = 0;
};

}  // namespace pretrain
