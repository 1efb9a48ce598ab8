#include "libs/base/machine.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "libs/base/file.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

std::string text_of(const Path& path) {
  try {
    return read_file_if_exists(path, 1 << 20).value_or("");
  } catch (const IoError&) {
    return "";  // a hardened service may hide parts of /proc; the caller falls back
  }
}

/// The first number after `key` in a /proc style file.
std::optional<uint64_t> number_after(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + key.size());
  const auto digit = text.find_first_of("0123456789");
  if (digit == std::string_view::npos) return std::nullopt;
  uint64_t value = 0;
  std::from_chars(text.data() + digit, text.data() + text.size(), value);
  return value;
}

uint64_t kilobytes(std::string_view text, std::string_view key) {
  return number_after(text, key).value_or(0) * 1024;
}

struct GroupMemory {
  uint64_t limit_bytes = UINT64_MAX;
  uint64_t used_bytes = 0;
};

/// The tightest memory.max from this process's control group (version 2) up to the root.
GroupMemory control_group_memory() {
  GroupMemory tightest;
  const std::string membership = text_of("/proc/self/cgroup");
  const auto at = membership.find("0::/");
  if (at == std::string::npos) return tightest;
  std::string relative = membership.substr(at + 4, membership.find('\n', at) - at - 4);
  while (true) {
    const Path folder = Path("/sys/fs/cgroup") / relative;
    const auto limit = number_after(text_of(folder / "memory.max"), "");  // "max" has no digit
    if (limit && *limit < tightest.limit_bytes) {
      tightest = {*limit, number_after(text_of(folder / "memory.current"), "").value_or(0)};
    }
    if (relative.empty()) return tightest;
    const auto slash = relative.rfind('/');
    relative.resize(slash == std::string::npos ? 0 : slash);
  }
}

std::string processor_name() {
  const std::string text = text_of("/proc/cpuinfo");
  const auto at = text.find("model name");
  if (at == std::string::npos) return "unknown processor";
  const auto colon = text.find(": ", at);
  return text.substr(colon + 2, text.find('\n', colon) - colon - 2);
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

}  // namespace

Machine inspect_machine() {
  Machine machine;
  machine.processor = processor_name();
  machine.cores = usable_cores();
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const std::string memory = text_of("/proc/meminfo");
  machine.memory_bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * page;
  machine.available_bytes = kilobytes(memory, "MemAvailable:");
  if (machine.available_bytes == 0)
    machine.available_bytes = static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
  const GroupMemory group = control_group_memory();
  if (group.limit_bytes < machine.memory_bytes) {
    machine.memory_bytes = group.limit_bytes;
    machine.available_bytes =
        std::min(machine.available_bytes, group.limit_bytes - std::min(group.limit_bytes, group.used_bytes));
  }
  return machine;
}

uint64_t resident_bytes() {
  return kilobytes(text_of("/proc/self/status"), "VmRSS:");
}

uint64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(1_MiB));
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(8_MiB));
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
