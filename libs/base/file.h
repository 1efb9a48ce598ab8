// SPDX-License-Identifier: Apache-2.0
#pragma once
// All file operations of the program: the only place with POSIX file calls. Data that must survive a crash is
// written through FileSystem, whose operations a test can make fail one by one. Data that is only read
// (corpus, checkpoints at start) uses ReadableFile and the free functions.
//
// Errors: IoError with the operation, the path, the system's error text and errno.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/descriptor.h"
#include "libs/base/error.h"

namespace pretrain {

using Path = std::filesystem::path;

/// A failed system call on a file. `code` is its errno.
class IoError : public Error {
 public:
  IoError(ErrorKind kind, const std::string& message, int code) : Error(kind, message), code_(code) {}
  int code() const { return code_; }

 private:
  int code_;
};

/// Whether symbolic links are followed. Corpora and folders that the user names may be links. Files that the
/// program wrote below a state folder never are; a link there would redirect reads and writes to other files.
enum class Links { kFollow, kRefuse };

struct FolderEntry {
  std::string name;
  bool is_folder = false;   ///< after following a symbolic link
  bool is_regular = false;  ///< after following a symbolic link
  bool is_link = false;
  uint64_t size_bytes = 0;  ///< of a regular file
};

/// A folder held open: its entries stay accessible even if its path is renamed or replaced meanwhile.
/// Single-owner.
class OpenFolder {
 public:
  explicit OpenFolder(const Path& path);
  /// A folder in a folder.
  /// Errors: also when the name is a symbolic link.
  OpenFolder(const OpenFolder& parent, const std::string& name);

  const Path& path() const { return path_; }
  int descriptor() const { return descriptor_.get(); }
  /// Sorted by name (bytewise), without "." and "..". Broken symbolic links have neither flag.
  std::vector<FolderEntry> entries() const;

 private:
  Path path_;
  Descriptor descriptor_;
};

/// A file being written. Single-owner. The destructor closes the file and ignores errors; call close() to get
/// them.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  /// Writes all of it, continuing after short writes and EINTR.
  virtual void write(std::span<const std::byte> data) = 0;
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Reserves space, so that a full disk is detected now and not at the end. Does nothing if the file system
  /// can't reserve space.
  virtual void allocate(uint64_t bytes) = 0;
  /// Writes data and metadata to the device. After a failure the file must be discarded, because a retry may
  /// falsely succeed.
  virtual void sync() = 0;
  virtual void close() = 0;
};

/// A file for any descriptor that is open for writing; `path` is only for messages.
std::unique_ptr<WritableFile> writable_file(const Path& path, Descriptor descriptor);

/// The durable operations. Thread-safe. The real one is real_file_system(); tests use FaultyFileSystem.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// A new file; fails if the name exists.
  virtual std::unique_ptr<WritableFile> create(const Path& path) = 0;
  /// Opens for appending after cutting the file to `keep_bytes` (a shorter one stays as it is); creates it
  /// when absent. Never blocks.
  /// Errors: also, before anything is changed, when the name is a link, no regular file, or one of several
  /// hard links, whose other names would be cut too.
  virtual std::unique_ptr<WritableFile> append(const Path& path, uint64_t keep_bytes) = 0;
  /// One level; an existing folder is not an error.
  virtual void make_folder(const Path& path) = 0;
  /// Atomic; an existing file of the new name is replaced, a non-empty folder is an error.
  virtual void rename(const Path& from, const Path& to) = 0;
  /// Makes creations, renames and removals inside the folder durable.
  virtual void sync_folder(const Path& path) = 0;
  virtual void remove_file(const Path& path) = 0;
  /// Requires: empty.
  virtual void remove_folder(const Path& path) = 0;
  /// The same two operations for an entry of an open folder.
  virtual void remove_file_in(const OpenFolder& folder, const std::string& name) {
    remove_file(folder.path() / name);
  }
  virtual void remove_folder_in(const OpenFolder& folder, const std::string& name) {
    remove_folder(folder.path() / name);
  }
};

FileSystem& real_file_system();

/// Writes a small file so that after a crash either the old or the new content is there: temporary name in
/// the same folder, write, sync, close, rename, folder sync. Leaves no temporary file behind on failure.
/// Requires: one writer at a time for a path.
void write_file_atomically(FileSystem& files, const Path& path, std::string_view content);

/// Removes files and folders below and including `path`, deepest first, then syncs the parent. Absent is
/// fine; symbolic links are removed, not followed, also those that appear meanwhile.
void remove_tree(FileSystem& files, const Path& path);

/// A file open for reading. Thread-safe (positional reads only).
class ReadableFile {
 public:
  /// Only regular files; devices, FIFOs and folders are an IoError, and opening never blocks.
  explicit ReadableFile(const Path& path, Links links = Links::kFollow);

  /// Size at opening.
  uint64_t size() const { return size_; }
  const Path& path() const { return path_; }
  /// Reads up to data.size() bytes at `offset`; fewer only at the end of the file. Returns the count.
  size_t read_at(uint64_t offset, std::span<std::byte> data) const;
  /// Tells the kernel that the cached pages are not needed any more, so that a verification reads the device.
  void drop_cache() const;

 private:
  Path path_;
  Descriptor descriptor_;
  uint64_t size_ = 0;
};

/// Whole content.
/// Errors: also when it is larger than `limit_bytes`, with the code EFBIG.
std::string read_file(const Path& path, uint64_t limit_bytes = uint64_t{1} << 31,
                      Links links = Links::kFollow);
/// Content, or nothing when the file does not exist.
std::optional<std::string> read_file_if_exists(const Path& path, uint64_t limit_bytes = uint64_t{1} << 31);
/// Whether a regular file, or a folder, exists at the path. Symbolic links are followed.
/// Errors: also when this can't be determined.
bool file_exists(const Path& path);
bool folder_exists(const Path& path);
/// OpenFolder::entries of a path.
std::vector<FolderEntry> list_folder(const Path& path);
/// Creates the folder and its parents, durably, also when an earlier attempt failed or died midway.
void make_folders(FileSystem& files, const Path& path);
/// Bytes that an unprivileged writer may still use on the device of `path` (nearest existing ancestor).
uint64_t free_disk_bytes(const Path& path);

/// An exclusive lock on a file (flock). The kernel releases it when the process ends, even after a kill.
class FileLock {
 public:
  /// Creates the file when it is absent; returns nothing when another process holds the lock.
  /// Errors: also when the name is a symbolic link or no regular file.
  static std::optional<FileLock> try_acquire(const Path& path);

 private:
  explicit FileLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
  Descriptor descriptor_;
};

}  // namespace pretrain
