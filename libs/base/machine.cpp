// SPDX-License-Identifier: Apache-2.0
#include "libs/base/machine.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "libs/base/control_group.h"
#include "libs/base/file.h"
#include "libs/base/kernel_text.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

uint64_t kilobytes(std::string_view text, std::string_view key) {
  return number_of_key(text, key).value_or(0) * 1024;
}

std::string processor_name(const Path& root) {
  const std::string text = kernel_text(root / "proc/cpuinfo");
  const auto at = text.find("model name");
  const auto colon = at == std::string::npos ? at : text.find(": ", at);
  if (colon == std::string::npos) return "unknown processor";
  return text.substr(colon + 2, text.find('\n', colon) - colon - 2);
}

/// Number of logical processors that this process may run on (its affinity, limited by a cpuset). The kernel
/// refuses a set that is too small for the machine, so the set grows until it fits.
int permitted_processors() {
  constexpr size_t kMost = size_t{1} << 20;
  for (size_t count = CPU_SETSIZE; count <= kMost; count *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(count),
                                                               [](cpu_set_t* s) { CPU_FREE(s); });
    if (set && sched_getaffinity(0, CPU_ALLOC_SIZE(count), set.get()) == 0)
      return std::max(1, CPU_COUNT_S(CPU_ALLOC_SIZE(count), set.get()));
  }
  return std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

/// In a few short numbers. /proc/self/status has them, too, but the kernel takes many times as long to write that.
std::optional<ReadableFile> memory_of_process() {
  try {
    return ReadableFile("/proc/self/statm");
  } catch (const IoError&) {
    return std::nullopt;
  }
}

}  // namespace

Machine inspect_machine(const Path& root) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const std::string memory = kernel_text(root / "proc/meminfo");
  const uint64_t physical = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * page;
  uint64_t available = kilobytes(memory, "MemAvailable");
  if (available == 0) available = static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
  const ControlGroupLimits limits = control_group_limits(root);
  Machine machine;
  machine.processor = processor_name(root);
  machine.cores = std::min(permitted_processors(), limits.processors);
  machine.memory_bytes = std::min(physical, limits.memory_bytes);
  machine.available_bytes = std::min({available, limits.available_bytes, machine.memory_bytes});
  return machine;
}

/// Each step of a run asks, so the file stays open: to open it takes longer than to read it. Its second number is the
/// resident pages.
uint64_t resident_bytes() {
  static const std::optional<ReadableFile> file = memory_of_process();
  if (!file) return 0;
  std::string text(128, '\0');
  text.resize(file->read_at(0, std::as_writable_bytes(std::span(text))));
  const auto pages = leading_number(std::string_view(text).substr(std::min(text.find(' '), text.size())));
  return pages.value_or(0) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

/// An arena reserves 64 MB of addresses. Where these are limited (ulimit -v), each allocation of a thread would try that
/// again and fail, which takes most of the time of a small step or a save.
void keep_freed_memory() {
  rlimit addresses{};
  if (getrlimit(RLIMIT_AS, &addresses) == 0 && addresses.rlim_cur != RLIM_INFINITY) mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(1_MiB));
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(8_MiB));
}

void release_freed_memory() {
  malloc_trim(0);
}

double process_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace pretrain
