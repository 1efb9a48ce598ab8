// SPDX-License-Identifier: Apache-2.0
// A library to be preloaded into the program under test: while the file named by PRETRAIN_STALL exists, the
// system calls that it names hang. Its content is "operation part-of-a-path", for example "fsync
// checkpoints".

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr int kLookEveryMilliseconds = 20;

/// Whether the order in the trigger file, if there is one, is about this operation on this descriptor.
bool must_hang(const char* operation, int descriptor) {
  const char* trigger = getenv("PRETRAIN_STALL");
  if (trigger == nullptr) return false;
  const long file = syscall(SYS_openat, AT_FDCWD, trigger, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char order[256] = {};
  const long size = syscall(SYS_read, file, order, sizeof(order) - 1);
  syscall(SYS_close, file);
  char* part = size > 0 ? strchr(order, ' ') : nullptr;
  if (part == nullptr) return false;
  *part++ = '\0';
  if (strcmp(order, operation) != 0) return false;
  char link[64];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
  char path[4096] = {};
  if (readlink(link, path, sizeof(path) - 1) < 0) return false;
  return strstr(path, part) != nullptr;
}

void hang(const char* operation, int descriptor) {
  while (must_hang(operation, descriptor)) poll(nullptr, 0, kLookEveryMilliseconds);
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" ssize_t pread(int descriptor, void* data, size_t size, off_t offset) {
  static auto* const real = next<ssize_t(int, void*, size_t, off_t)>("pread");
  hang("pread", descriptor);
  return real(descriptor, data, size, offset);
}

extern "C" ssize_t write(int descriptor, const void* data, size_t size) {
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  hang("write", descriptor);
  return real(descriptor, data, size);
}

extern "C" int fsync(int descriptor) {
  static auto* const real = next<int(int)>("fsync");
  hang("fsync", descriptor);
  return real(descriptor);
}
