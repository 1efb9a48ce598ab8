// SPDX-License-Identifier: Apache-2.0
#include "tests/support/allocations/allocations.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace pretrain::test {
namespace {

std::atomic<uint64_t> calls;
std::atomic<uint64_t> bytes;
std::atomic<uint64_t> aligned_bytes;

[[maybe_unused]] void count(size_t size) {
  calls.fetch_add(1, std::memory_order_relaxed);
  bytes.fetch_add(size, std::memory_order_relaxed);
}

}  // namespace

Allocations allocations_so_far() {
  return {calls.load(), bytes.load(), aligned_bytes.load()};
}

}  // namespace pretrain::test

#ifndef PRETRAIN_SANITIZED
using pretrain::test::count;

extern "C" {

// glibc's functions under the names that it keeps for those who replace the usual ones.
void* __libc_malloc(size_t size);                      // NOLINT
void* __libc_calloc(size_t elements, size_t size);     // NOLINT
void* __libc_realloc(void* block, size_t size);        // NOLINT
void* __libc_memalign(size_t alignment, size_t size);  // NOLINT

void* malloc(size_t size) {
  count(size);
  return __libc_malloc(size);
}

void* calloc(size_t elements, size_t size) {
  count(elements * size);
  return __libc_calloc(elements, size);
}

void* realloc(void* block, size_t size) {
  count(size);
  return __libc_realloc(block, size);
}

void* memalign(size_t alignment, size_t size) {
  count(size);
  return __libc_memalign(alignment, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  return memalign(alignment, size);
}

int posix_memalign(void** block, size_t alignment, size_t size) {
  pretrain::test::aligned_bytes.fetch_add(size, std::memory_order_relaxed);
  *block = memalign(alignment, size);
  return *block == nullptr ? ENOMEM : 0;
}

void* mmap(void* address, size_t length, int protection, int flags, int file, off_t offset) noexcept {
  if ((flags & MAP_ANONYMOUS) != 0) count(length);
  // The system call's result is an address.
  return reinterpret_cast<void*>(  // NOLINT(performance-no-int-to-ptr)
      syscall(SYS_mmap, address, length, protection, flags, file, offset));
}

}  // extern "C"
#endif
