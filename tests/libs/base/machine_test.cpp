// SPDX-License-Identifier: Apache-2.0
#include "libs/base/machine.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "libs/base/units.h"
#include "tests/support/sanitizers.h"

namespace pretrain {
namespace {

/// Pages that this process got from the system so far.
long page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

/// Buffers as the readers of a corpus use them, written to and freed.
void use_buffers() {
  constexpr size_t kCount = 8, kBytes = 600_KiB;
  std::vector<std::unique_ptr<char[]>> buffers;
  for (size_t i = 0; i < kCount; ++i) {
    buffers.push_back(std::make_unique_for_overwrite<char[]>(kBytes));
    for (size_t at = 0; at < kBytes; at += 1_KiB) static_cast<volatile char*>(buffers.back().get())[at] = 1;
  }
}

TEST(Machine, FreedMemoryIsKeptForTheNextBuffers) {
  if (test::kSanitized) GTEST_SKIP() << "sanitizers have an allocator of their own";
  keep_freed_memory();
  use_buffers();
  const long before = page_faults();
  for (int i = 0; i < 10; ++i) use_buffers();
  EXPECT_LT(page_faults() - before, 100);  // 12,000 when each of them comes from the system
}

TEST(Machine, ReleasedMemoryIsTakenFromTheSystemAgain) {
  if (test::kSanitized) GTEST_SKIP() << "sanitizers have an allocator of their own";
  keep_freed_memory();
  use_buffers();
  release_freed_memory();
  const long before = page_faults();
  use_buffers();
  EXPECT_GT(page_faults() - before, 1000);  // 1,200 pages; 100 at most when what was freed is used again
}

TEST(Machine, TellsItsMemoryAndThatOfTheProcess) {
  const Machine machine = inspect_machine();
  EXPECT_GE(machine.cores, 1);
  EXPECT_GE(machine.memory_bytes, machine.available_bytes);
  const uint64_t before = resident_bytes();
  const std::vector<char> touched(64_MiB, 1);
  EXPECT_GE(resident_bytes(), before + 60_MiB);
  constexpr uint64_t kOfSanitizer = test::kSanitized ? 512_MiB : 0;  // which keeps notes of each byte
  EXPECT_LE(resident_bytes(), before + 70_MiB + kOfSanitizer);
  EXPECT_EQ(touched.back(), 1);
  EXPECT_LE(resident_bytes(), machine.memory_bytes);
  EXPECT_GE(peak_resident_bytes(), 1_MiB);
  EXPECT_GT(process_cpu_seconds(), 0);
}

}  // namespace
}  // namespace pretrain
