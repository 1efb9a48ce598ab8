// SPDX-License-Identifier: Apache-2.0
#include "tests/support/allocations/live_bytes.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include <malloc.h>

namespace pretrain::test {
namespace {

std::atomic<int64_t> live;
std::atomic<int64_t> peak;

[[maybe_unused]] void* taken(void* block) {
  if (block == nullptr) throw std::bad_alloc();
  const auto size = static_cast<int64_t>(malloc_usable_size(block));
  const int64_t now = live.fetch_add(size) + size;
  int64_t seen = peak.load();
  while (seen < now && !peak.compare_exchange_weak(seen, now)) {
  }
  return block;
}

[[maybe_unused]] void give_back(void* block) {
  if (block == nullptr) return;
  live.fetch_sub(static_cast<int64_t>(malloc_usable_size(block)));
  std::free(block);
}

}  // namespace

int64_t live_bytes() {
  return live.load();
}

int64_t peak_bytes() {
  return peak.load();
}

void begin_peak() {
  peak.store(live.load());
}

}  // namespace pretrain::test

#ifndef PRETRAIN_SANITIZED
using pretrain::test::give_back;
using pretrain::test::taken;

// The other forms of the operators end in these.
void* operator new(std::size_t size) {
  return taken(std::malloc(size > 0 ? size : 1));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto step = static_cast<std::size_t>(alignment);
  return taken(std::aligned_alloc(step, (size + step - 1) / step * step));
}
void operator delete(void* block) noexcept {
  give_back(block);
}
void operator delete(void* block, std::size_t) noexcept {
  give_back(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  give_back(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  give_back(block);
}
#endif
