// SPDX-License-Identifier: Apache-2.0
#include "libs/base/process_limits.h"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "libs/base/error.h"
#include "libs/base/file.h"
#include "libs/base/kernel_text.h"
#include "libs/base/number.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

uint64_t limit_on(decltype(RLIMIT_FSIZE) resource) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kNoLimit;
  return limit.rlim_cur;
}

uint64_t rest_of(uint64_t limit, uint64_t used) {
  return limit == kNoLimit ? kNoLimit : limit - std::min(limit, used);
}

/// Of the numbers below the limit, which is one on numbers: those that are taken. All of them, if none is left to list
/// them with; none without /proc.
uint64_t open_files(uint64_t limit) {
  constexpr size_t kOfTheListing = 2;
  try {
    size_t taken = 0;
    for (const FolderEntry& entry : list_folder("/proc/self/fd"))
      taken += parse_number<uint64_t>(entry.name).value_or(kNoLimit) < limit ? 1 : 0;
    return taken - std::min(taken, kOfTheListing);
  } catch (const IoError& error) {
    return error.code() == EMFILE ? kNoLimit : 0;
  }
}

uint64_t used_memory(std::string_view key) {
  return number_of_key(kernel_text("/proc/self/status"), key).value_or(0) * 1024;
}

/// The C library took the size of a thread's stack from the limit when the process started.
void set_stack_of_threads(uint64_t bytes) {
  pthread_attr_t attributes;
  if (pthread_getattr_default_np(&attributes) != 0) return;
  pthread_attr_setstacksize(&attributes, bytes);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
}

}  // namespace

void ensure_stack() {
  constexpr uint64_t kWanted = 8_MiB, kSmall = 1_MiB, kLeast = 256_KiB;
  rlimit limit{};
  if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= kSmall) return;
  limit.rlim_cur = std::min<rlim_t>(kWanted, limit.rlim_max);
  const bool is_raised = setrlimit(RLIMIT_STACK, &limit) == 0;
  if (!is_raised || limit.rlim_cur < kLeast) {
    fail(ErrorKind::kUsage, "the limit on the stack (ulimit -s) is {}; raise it to {} or more",
         format_bytes(limit_on(RLIMIT_STACK)), format_bytes(kSmall));
  }
  set_stack_of_threads(limit.rlim_cur);
}

ProcessLimits process_limits() {
  const uint64_t files = limit_on(RLIMIT_NOFILE);
  return {.file_bytes = limit_on(RLIMIT_FSIZE),
          .more_files = rest_of(files, open_files(files)),
          .more_memory = std::min(rest_of(limit_on(RLIMIT_AS), used_memory("VmSize")),
                                  rest_of(limit_on(RLIMIT_DATA), used_memory("VmData")))};
}

}  // namespace pretrain
