// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file system for tests that knows what the device would hold if the power failed now. It passes each call
// on and keeps, for each file, the content as of the last sync apart from the writes after it, and for each
// folder the synced entries apart from the later creations, renames and removals. Calls that the file system
// below fails have no effect here, but for half-done writes and failed syncs: what such a sync left unsynced
// stays unsynced, whatever later syncs say, as the kernel forgets it.
// Pessimistic where POSIX is: a file's sync does not make its name durable, unsynced changes survive in any
// combination. Optimistic in one thing that all journals grant: a rename never loses the old name before the
// new one is there. Single-owner.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/file.h"
#include "libs/base/rng.h"

namespace pretrain::test {

/// What a crash takes.
enum class Loss {
  kNothing,       ///< the process died, the machine did not
  kUnsynced,      ///< all that was not synced
  kRandomSubset,  ///< each unsynced write, and each unsynced change of a folder, or not
  kTorn512,       ///< as kRandomSubset, and writes are torn at multiples of 512 bytes
  kTorn4096,      ///< the same with 4096 bytes
  kRenamedFirst,  ///< unsynced data; the changes of folders survive, or only the renames among them
};

/// A folder tree: for each path below its root the content of a file, or nothing for a folder.
using Image = std::map<std::string, std::optional<std::string>>;

Image read_image(const Path& root);
/// Replaces what the folder holds.
void write_image(const Image& image, const Path& root);

class CrashFileSystem : public FileSystem {
 public:
  /// Requires: the folder exists. What it holds counts as synced; what happens outside of it is passed on
  /// only.
  CrashFileSystem(FileSystem& under, Path root);
  ~CrashFileSystem() override;

  /// What the folder may hold after a crash at this instant: a function of the calls so far and the seed.
  Image after_crash(Loss loss, uint64_t seed) const;
  /// Crashes: the folder then holds after_crash(loss, seed), and all that counts as synced. With kNothing,
  /// all stays as it is.
  void crash(Loss loss, uint64_t seed);
  /// Takes over what was changed in the folder by other means, as synced.
  void adopt();
  /// Some crash could lose something.
  bool has_unsynced() const;

  std::unique_ptr<WritableFile> create(const Path& path) override;
  std::unique_ptr<WritableFile> append(const Path& path, uint64_t keep_bytes) override;
  void make_folder(const Path& path) override;
  void rename(const Path& from, const Path& to) override;
  void sync_folder(const Path& path) override;
  void remove_file(const Path& path) override;
  void remove_folder(const Path& path) override;

 private:
  class File;
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  using Entries = std::map<std::string, NodePtr, std::less<>>;
  /// One folder and a name in it. Without a folder: outside of the root, or nowhere.
  struct Place {
    NodePtr folder;
    std::string name;
  };
  /// An entry that left one place for another; a creation has no `from`, a removal no `to`.
  struct EntryChange {
    Place from;
    Place to;
    NodePtr node;
    bool from_synced = false;
    bool to_synced = false;
  };
  using EntriesAfter = std::map<const Node*, Entries>;

  Place place_of(const Path& path) const;
  NodePtr node_at(const Path& path) const;
  void change(const Place& from, const Place& to, const NodePtr& node);
  EntriesAfter entries_after(Loss loss, Rng& rng) const;

  FileSystem& under_;
  const Path root_path_;
  NodePtr root_;
  std::vector<EntryChange> changes_;  // not wholly synced, oldest first
};

}  // namespace pretrain::test
