// SPDX-License-Identifier: Apache-2.0
#include "libs/base/file.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "libs/base/descriptor.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

constexpr mode_t kFileMode = 0666;  // the process's umask narrows both
constexpr mode_t kFolderMode = 0777;

[[noreturn]] void fail_io(std::string_view action, const Path& path, int code) {
  throw IoError(ErrorKind::kRuntime,
                fmt::format("cannot {} {}: {}", action, path.native(), std::generic_category().message(code)),
                code);
}

[[noreturn]] void fail_because(std::string_view action, const Path& path, std::string_view reason, int code) {
  throw IoError(ErrorKind::kRuntime, fmt::format("cannot {} {}: {}", action, path.native(), reason), code);
}

/// Repeats a system call that a signal interrupted.
template <typename Call>
auto retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

bool means_absent(int code) {
  return code == ENOENT || code == ENOTDIR;
}

Path parent_of(const Path& path) {
  const Path parent = path.has_filename() ? path.parent_path() : path.parent_path().parent_path();
  return parent.empty() ? Path(".") : parent;
}

/// ELOOP means a link that O_NOFOLLOW refused, or a cycle of links.
[[noreturn]] void fail_open(const Path& path, int flags, std::string_view action, int code) {
  if (code == ELOOP && (flags & O_NOFOLLOW) != 0) {
    fail_because(action, path, "it is a symbolic link, which is not followed here; remove it", code);
  }
  fail_io(action, path, code);
}

Descriptor open_or_fail(const Path& path, int flags, std::string_view action) {
  Descriptor descriptor(retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kFileMode); }));
  if (!descriptor) fail_open(path, flags, action, errno);
  return descriptor;
}

/// Status of what is open.
/// Errors: it is no regular file.
struct stat require_regular(const Descriptor& descriptor, const Path& path, std::string_view action) {
  struct stat status {};
  if (::fstat(descriptor.get(), &status) < 0) fail_io("open", path, errno);
  if (S_ISDIR(status.st_mode)) fail_because(action, path, "it is a folder, not a file", EISDIR);
  if (!S_ISREG(status.st_mode)) fail_because(action, path, "it is not a regular file", EINVAL);
  return status;
}

// A FIFO without a reader or writer must not block the program, and a terminal must not become its own.
constexpr int kNeverBlocks = O_NONBLOCK | O_NOCTTY;

class PosixFile : public WritableFile {
 public:
  PosixFile(Path path, Descriptor descriptor) : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  void write(std::span<const std::byte> data) override {
    while (!data.empty()) {
      const ssize_t n = retry([&] { return ::write(descriptor_.get(), data.data(), data.size()); });
      if (n < 0) fail_io("write", path_, errno);
      if (n == 0) fail_io("write", path_, ENOSPC);
      data = data.subspan(static_cast<size_t>(n));
    }
  }

  void allocate(uint64_t bytes) override {
    if (bytes == 0) return;
    // The size stays as it is (unlike with posix_fallocate, which also imitates missing support by writing
    // zeros).
    const int result = retry(
        [&] { return ::fallocate(descriptor_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)); });
    const bool unsupported = result < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS);
    if (result < 0 && !unsupported) fail_io("reserve room for", path_, errno);
  }

  void sync() override {
    if (retry([&] { return ::fsync(descriptor_.get()); }) < 0) fail_io("sync", path_, errno);
  }

  void close() override {
    // Linux releases the descriptor even when close is interrupted.
    if (::close(descriptor_.release()) < 0 && errno != EINTR) fail_io("close", path_, errno);
  }

 private:
  Path path_;
  Descriptor descriptor_;
};

class PosixFileSystem : public FileSystem {
 public:
  std::unique_ptr<WritableFile> create(const Path& path) override {
    return std::make_unique<PosixFile>(path, open_or_fail(path, O_WRONLY | O_CREAT | O_EXCL, "create"));
  }

  std::unique_ptr<WritableFile> append(const Path& path, uint64_t keep_bytes) override {
    Descriptor descriptor =
        open_or_fail(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | kNeverBlocks, "open");
    const struct stat status = require_regular(descriptor, path, "write to");
    if (status.st_nlink > 1) {
      fail_because(
          "write to", path,
          "it has several hard links, and would change under its other names too; replace it by a copy",
          EMLINK);
    }
    if (static_cast<uint64_t>(status.st_size) > keep_bytes &&
        retry([&] { return ::ftruncate(descriptor.get(), static_cast<off_t>(keep_bytes)); }) < 0) {
      fail_io("cut", path, errno);
    }
    return std::make_unique<PosixFile>(path, std::move(descriptor));
  }

  void make_folder(const Path& path) override {
    if (::mkdir(path.c_str(), kFolderMode) == 0) return;
    const int code = errno;
    if (code == EEXIST && folder_exists(path)) return;
    fail_io("create folder", path, code);
  }

  void rename(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) < 0) {
      fail_io(fmt::format("rename {} to", from.native()), to, errno);
    }
  }

  void sync_folder(const Path& path) override {
    const Descriptor descriptor = open_or_fail(path, O_RDONLY | O_DIRECTORY, "open folder");
    // EINVAL: a file system that has nothing to sync for folders.
    if (retry([&] { return ::fsync(descriptor.get()); }) < 0 && errno != EINVAL)
      fail_io("sync folder", path, errno);
  }

  void remove_file(const Path& path) override {
    if (::unlink(path.c_str()) < 0) fail_io("remove", path, errno);
  }

  void remove_folder(const Path& path) override {
    if (::rmdir(path.c_str()) < 0) fail_io("remove folder", path, errno);
  }

  void remove_file_in(const OpenFolder& folder, const std::string& name) override {
    if (::unlinkat(folder.descriptor(), name.c_str(), 0) < 0) fail_io("remove", folder.path() / name, errno);
  }

  void remove_folder_in(const OpenFolder& folder, const std::string& name) override {
    if (::unlinkat(folder.descriptor(), name.c_str(), AT_REMOVEDIR) < 0) {
      fail_io("remove folder", folder.path() / name, errno);
    }
  }
};

/// Status of the path itself or, when `follow` is set, of what it points to; nothing when absent.
std::optional<struct stat> status_of(const Path& path, bool follow) {
  struct stat status {};
  const int result = follow ? ::stat(path.c_str(), &status) : ::lstat(path.c_str(), &status);
  if (result == 0) return status;
  if (!means_absent(errno)) fail_io("look at", path, errno);
  return std::nullopt;
}

void remove_entry(FileSystem& files, const OpenFolder& folder, const FolderEntry& entry, int depth) {
  // Checkpoints have one level; each holds a descriptor while it is walked.
  constexpr int kDeepest = 64;
  const Path path = folder.path() / entry.name;
  if (depth > kDeepest) fail_because("remove", path, "it is nested too deeply; remove it by hand", ELOOP);
  if (entry.is_link || !entry.is_folder) {
    files.remove_file_in(folder, entry.name);
    return;
  }
  {
    const OpenFolder below(folder, entry.name);
    for (const FolderEntry& inner : below.entries()) remove_entry(files, below, inner, depth + 1);
  }
  files.remove_folder_in(folder, entry.name);
}

FolderEntry entry_of(int folder, const char* name) {
  FolderEntry entry{.name = name};
  struct stat status {};
  if (::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return entry;
  entry.is_link = S_ISLNK(status.st_mode);
  if (entry.is_link && ::fstatat(folder, name, &status, 0) != 0) return entry;
  entry.is_folder = S_ISDIR(status.st_mode);
  entry.is_regular = S_ISREG(status.st_mode);
  if (entry.is_regular) entry.size_bytes = static_cast<uint64_t>(status.st_size);
  return entry;
}

void remove_quietly(FileSystem& files, const Path& path) {
  try {
    files.remove_file(path);
  } catch (const IoError&) {  // the error that led here is the one to report
  }
}

bool means_forbidden(int code) {
  return code == EACCES || code == EPERM;
}

/// The creator of a folder syncs its name before adding entries. In an empty folder, that sync may have
/// failed.
bool may_be_unsynced(const Path& folder) {
  try {
    return list_folder(folder).empty();
  } catch (const IoError& error) {
    if (!means_forbidden(error.code())) throw;
    return false;  // not one of ours
  }
}

/// For a folder that another user may have created, in a parent that this process may not read.
void sync_if_permitted(FileSystem& files, const Path& folder) {
  try {
    files.sync_folder(folder);
  } catch (const IoError& error) {
    if (!means_forbidden(error.code())) throw;
  }
}

void write_new_file(FileSystem& files, const Path& path, std::string_view content) {
  const auto file = files.create(path);
  file->write(content);
  file->sync();
  file->close();
}

}  // namespace

std::unique_ptr<WritableFile> writable_file(const Path& path, Descriptor descriptor) {
  return std::make_unique<PosixFile>(path, std::move(descriptor));
}

FileSystem& real_file_system() {
  static PosixFileSystem instance;
  return instance;
}

void write_file_atomically(FileSystem& files, const Path& path, std::string_view content) {
  // A fixed name: the leftover of a killed process is overwritten by the next one instead of accumulating.
  const Path temporary = path.parent_path() / fmt::format(".{}.tmp", path.filename().native());
  if (status_of(temporary, false)) files.remove_file(temporary);
  try {
    write_new_file(files, temporary, content);
    files.rename(temporary, path);
  } catch (const IoError&) {
    remove_quietly(files, temporary);
    throw;
  }
  files.sync_folder(parent_of(path));
}

void remove_tree(FileSystem& files, const Path& path) {
  if (!status_of(path, false)) return;
  const Path named = path.has_filename() ? path : path.parent_path();
  const OpenFolder parent(parent_of(path));
  const std::string name = named.filename().native();
  remove_entry(files, parent, entry_of(parent.descriptor(), name.c_str()), 0);
  files.sync_folder(parent_of(path));
}

OpenFolder::OpenFolder(const Path& path)
    : path_(path), descriptor_(open_or_fail(path, O_RDONLY | O_DIRECTORY, "open folder")) {}

OpenFolder::OpenFolder(const OpenFolder& parent, const std::string& name)
    : path_(parent.path() / name), descriptor_(retry([&] {
        return ::openat(parent.descriptor(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      })) {
  if (!descriptor_) fail_io("open folder", path_, errno);
}

std::vector<FolderEntry> OpenFolder::entries() const {
  // A descriptor of its own: fdopendir takes it over, and its position is that of the listing.
  Descriptor listed(retry([&] { return ::openat(descriptor(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(listed ? ::fdopendir(listed.get()) : nullptr, ::closedir);
  if (!folder) fail_io("list folder", path_, errno);
  listed.release();
  std::vector<FolderEntry> entries;
  while (true) {
    errno = 0;
    const dirent* found = ::readdir(folder.get());
    if (found == nullptr) break;
    const std::string_view name = found->d_name;
    if (name != "." && name != "..") entries.push_back(entry_of(descriptor(), found->d_name));
  }
  if (errno != 0) fail_io("list folder", path_, errno);
  std::ranges::sort(entries, {}, &FolderEntry::name);
  return entries;
}

ReadableFile::ReadableFile(const Path& path, Links links)
    : path_(path),
      descriptor_(
          open_or_fail(path, O_RDONLY | kNeverBlocks | (links == Links::kRefuse ? O_NOFOLLOW : 0), "open")),
      size_(static_cast<uint64_t>(require_regular(descriptor_, path, "read").st_size)) {}

size_t ReadableFile::read_at(uint64_t offset, std::span<std::byte> data) const {
  size_t done = 0;
  while (done < data.size()) {
    const auto at = static_cast<off_t>(offset + done);
    const ssize_t n =
        retry([&] { return ::pread(descriptor_.get(), data.data() + done, data.size() - done, at); });
    if (n < 0) fail_io("read", path_, errno);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

void ReadableFile::drop_cache() const {
  ::posix_fadvise(descriptor_.get(), 0, 0, POSIX_FADV_DONTNEED);  // advice: a failure changes nothing
}

std::string read_file(const Path& path, uint64_t limit_bytes, Links links) {
  const ReadableFile file(path, links);
  if (file.size() > limit_bytes) {
    fail_because("read", path, fmt::format("it is larger than {}", format_bytes(limit_bytes)), EFBIG);
  }
  // Files in /proc report size 0, and a file may grow, so read until the end. The kernel writes such a file anew for each
  // read, so that most fit into the first.
  constexpr uint64_t kStep = uint64_t{64} << 10, kOfTheKernel = 4096;
  std::string content;
  size_t done = 0;
  uint64_t room = file.size() == 0 ? kOfTheKernel : file.size() + 1;
  while (true) {
    content.resize(done + room);
    const auto free_part = std::as_writable_bytes(std::span(content)).subspan(done);
    const size_t n = file.read_at(done, free_part);
    done += n;
    if (done > limit_bytes)
      fail_because("read", path, fmt::format("it is larger than {}", format_bytes(limit_bytes)), EFBIG);
    if (n < free_part.size()) break;
    room = std::max<uint64_t>(kStep, done);
  }
  content.resize(done);
  return content;
}

std::optional<std::string> read_file_if_exists(const Path& path, uint64_t limit_bytes) {
  try {
    return read_file(path, limit_bytes);
  } catch (const IoError& error) {
    if (means_absent(error.code())) return std::nullopt;
    throw;
  }
}

bool file_exists(const Path& path) {
  const auto status = status_of(path, true);
  return status && S_ISREG(status->st_mode);
}

bool folder_exists(const Path& path) {
  const auto status = status_of(path, true);
  return status && S_ISDIR(status->st_mode);
}

std::vector<FolderEntry> list_folder(const Path& path) {
  return OpenFolder(path).entries();
}

void make_folders(FileSystem& files, const Path& path) {
  if (path.empty()) return;
  const Path parent = parent_of(path);
  if (folder_exists(path)) {
    if (may_be_unsynced(path)) sync_if_permitted(files, parent);
    return;
  }
  make_folders(files, parent);
  files.make_folder(path);
  files.sync_folder(parent);
}

uint64_t free_disk_bytes(const Path& path) {
  Path existing = path;
  while (!status_of(existing, true)) existing = parent_of(existing);
  struct statvfs status {};
  if (retry([&] { return ::statvfs(existing.c_str(), &status); }) < 0) fail_io("look at", existing, errno);
  return uint64_t{status.f_bavail} * status.f_frsize;
}

std::optional<FileLock> FileLock::try_acquire(const Path& path) {
  Descriptor descriptor = open_or_fail(path, O_RDWR | O_CREAT | O_NOFOLLOW | kNeverBlocks, "open");
  require_regular(descriptor, path, "lock");
  if (retry([&] { return ::flock(descriptor.get(), LOCK_EX | LOCK_NB); }) == 0) {
    return FileLock(std::move(descriptor));
  }
  if (errno == EWOULDBLOCK) return std::nullopt;
  fail_io("lock", path, errno);
}

}  // namespace pretrain
