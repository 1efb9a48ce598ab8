// SPDX-License-Identifier: Apache-2.0
#pragma once
// File systems with planted faults: what a store on top of them does is what a store with that mistake would
// do. The rigs must see what comes of it.

#include <memory>
#include <utility>

#include "libs/base/file.h"
#include "libs/checkpoint/manifest.h"
#include "libs/checkpoint/verify.h"

namespace pretrain::test {

class Passing : public FileSystem {
 public:
  explicit Passing(FileSystem& under) : under_(under) {}
  std::unique_ptr<WritableFile> create(const Path& path) override { return under_.create(path); }
  std::unique_ptr<WritableFile> append(const Path& path, uint64_t keep_bytes) override {
    return under_.append(path, keep_bytes);
  }
  void make_folder(const Path& path) override { under_.make_folder(path); }
  void rename(const Path& from, const Path& to) override { under_.rename(from, to); }
  void sync_folder(const Path& path) override { under_.sync_folder(path); }
  void remove_file(const Path& path) override { under_.remove_file(path); }
  void remove_folder(const Path& path) override { under_.remove_folder(path); }

 protected:
  FileSystem& under_;
};

class WithoutFileSync : public Passing {
 public:
  using Passing::Passing;
  std::unique_ptr<WritableFile> create(const Path& path) override {
    return std::make_unique<File>(under_.create(path));
  }

 private:
  struct File : WritableFile {
    explicit File(std::unique_ptr<WritableFile> file) : under(std::move(file)) {}
    void write(std::span<const std::byte> data) override { under->write(data); }
    void allocate(uint64_t bytes) override { under->allocate(bytes); }
    void sync() override {}
    void close() override { under->close(); }
    std::unique_ptr<WritableFile> under;
  };
};

class WithoutFolderSync : public Passing {
 public:
  using Passing::Passing;
  void sync_folder(const Path&) override {}
};

/// Syncs the folder of all checkpoints, but not each checkpoint's own.
class WithoutSyncOfTheCheckpointsFolder : public Passing {
 public:
  using Passing::Passing;
  void sync_folder(const Path& path) override {
    if (!path.filename().native().starts_with(".tmp-")) under_.sync_folder(path);
  }
};

/// Removes the oldest of two before a new checkpoint is written.
class RetentionBeforeTheSave : public Passing {
 public:
  using Passing::Passing;
  void make_folder(const Path& path) override {
    const auto entries = list_checkpoints(path.parent_path().parent_path());
    const bool saving = path.filename().native().starts_with(".tmp-");
    if (saving && entries.size() == 2) remove_tree(under_, entries.back().folder);
    under_.make_folder(path);
  }
};

/// Gives the checkpoint its name before its manifest is synced.
class RenameWithoutTheManifestsSync : public WithoutFileSync {
 public:
  using WithoutFileSync::WithoutFileSync;
  std::unique_ptr<WritableFile> create(const Path& path) override {
    return path.filename() == kManifestName ? WithoutFileSync::create(path) : under_.create(path);
  }
};

}  // namespace pretrain::test
