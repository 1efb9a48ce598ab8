// SPDX-License-Identifier: Apache-2.0
#include "libs/base/private_file.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace pretrain {
namespace {

[[noreturn]] void fail_with(const char* action, const Path& path, int code) {
  throw IoError(ErrorKind::kRuntime,
                fmt::format("cannot {} {}: {}", action, path.string(), std::generic_category().message(code)),
                code);
}

/// A new file of exactly this mode.
std::unique_ptr<WritableFile> create_with_mode(const Path& path, mode_t mode) {
  Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & S_IRWXU));
  if (!file) fail_with("create", path, errno);
  if (fchmod(file.get(), mode) != 0) fail_with("set the permissions of", path, errno);
  return writable_file(path, std::move(file));
}

}  // namespace

void write_private_file(const Path& path, std::string_view content) {
  const auto file = create_with_mode(path, S_IRUSR | S_IWUSR);
  try {
    file->write(content);
    file->close();
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    throw;
  }
}

bool others_may_read(const Path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) fail_with("read", path, errno);
  return (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

void write_public_file(const Path& path, std::string_view content) {
  Path temporary = path;
  temporary += ".new";
  std::error_code absent;
  std::filesystem::remove(temporary, absent);  // of a process that was killed
  try {
    const auto file = create_with_mode(temporary, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
    file->write(content);
    file->close();
    real_file_system().rename(temporary, path);
  } catch (...) {
    std::filesystem::remove(temporary, absent);
    throw;
  }
}

}  // namespace pretrain
