// SPDX-License-Identifier: Apache-2.0
#include "tests/support/crash_file_system.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "libs/base/check.h"

namespace pretrain::test {
namespace {

namespace fs = std::filesystem;

/// A write, or a cut to `offset`.
struct FileChange {
  uint64_t offset = 0;
  std::string data;
  bool is_cut = false;
  bool forgotten = false;  // a sync of it failed: no later one makes it durable
};

void apply(std::string& content, uint64_t offset, std::string_view data) {
  if (content.size() < offset + data.size()) content.resize(offset + data.size());
  content.replace(offset, data.size(), data);
}

void apply(std::string& content, const FileChange& change) {
  if (change.is_cut) {
    content.resize(std::min<uint64_t>(content.size(), change.offset));
  } else {
    apply(content, change.offset, change.data);
  }
}

bool coin(Rng& rng) {
  return rng.below(2) == 0;
}

/// Writes what survives of the pieces between multiples of `sector` bytes of the file.
void apply_torn(std::string& content, const FileChange& change, uint64_t sector, Rng& rng) {
  if (change.is_cut) return apply(content, change);
  std::string_view rest = change.data;
  for (uint64_t at = change.offset; !rest.empty();) {
    const std::string_view piece = rest.substr(0, sector - at % sector);
    if (coin(rng)) apply(content, at, piece);
    at += piece.size();
    rest.remove_prefix(piece.size());
  }
}

uint64_t sector_bytes(Loss loss) {
  if (loss == Loss::kTorn512) return 512;
  return loss == Loss::kTorn4096 ? 4096 : 0;
}

void insert_tree(Image& image, const Path& folder, const std::string& prefix) {
  for (const FolderEntry& entry : list_folder(folder)) {
    const std::string name = prefix + entry.name;
    if (entry.is_folder) {
      image[name] = std::nullopt;
      insert_tree(image, folder / entry.name, name + "/");
    } else {
      image[name] = read_file(folder / entry.name);
    }
  }
}

}  // namespace

struct CrashFileSystem::Node {
  bool is_folder = false;
  // Of a file:
  std::string synced_content = {};
  std::vector<FileChange> unsynced = {};
  uint64_t size_bytes = 0;  // with all changes
  // Of a folder:
  Entries synced_entries = {};
  Entries entries = {};

  void add(FileChange added) {
    size_bytes = added.is_cut ? std::min(size_bytes, added.offset) : added.offset + added.data.size();
    unsynced.push_back(std::move(added));
  }

  void sync_content() {
    for (const FileChange& change : unsynced) {
      if (!change.forgotten) apply(synced_content, change);
    }
    std::erase_if(unsynced, [](const FileChange& change) { return !change.forgotten; });
  }

  std::string content_after(Loss loss, Rng& rng) const;
};

std::string CrashFileSystem::Node::content_after(Loss loss, Rng& rng) const {
  std::string content = synced_content;
  if (unsynced.empty()) return content;
  const uint64_t sector = sector_bytes(loss);
  for (const FileChange& change : unsynced) {
    if (loss == Loss::kNothing || (loss == Loss::kRandomSubset && coin(rng))) apply(content, change);
    if (sector != 0) apply_torn(content, change, sector, rng);
  }
  // The size may be there before the bytes.
  if ((sector != 0 || loss == Loss::kRenamedFirst) && coin(rng)) content.resize(size_bytes);
  return content;
}

class CrashFileSystem::File : public WritableFile {
 public:
  File(Path path, std::unique_ptr<WritableFile> under, NodePtr node)
      : path_(std::move(path)), under_(std::move(under)), node_(std::move(node)) {}

  void write(std::span<const std::byte> data) override {
    const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
    try {
      under_->write(data);
    } catch (const IoError&) {
      const uint64_t arrived = fs::file_size(path_) - node_->size_bytes;
      if (arrived > 0)
        node_->add({.offset = node_->size_bytes, .data = std::string(text.substr(0, arrived))});
      throw;
    }
    node_->add({.offset = node_->size_bytes, .data = std::string(text)});
  }

  void allocate(uint64_t bytes) override { under_->allocate(bytes); }

  void sync() override {
    try {
      under_->sync();
    } catch (const IoError&) {
      for (FileChange& change : node_->unsynced) change.forgotten = true;
      throw;
    }
    node_->sync_content();
  }

  void close() override { under_->close(); }

 private:
  Path path_;
  std::unique_ptr<WritableFile> under_;
  NodePtr node_;
};

Image read_image(const Path& root) {
  Image image;
  insert_tree(image, root, "");
  return image;
}

void write_image(const Image& image, const Path& root) {
  for (const auto& entry : fs::directory_iterator(root)) fs::remove_all(entry.path());
  for (const auto& [name, content] : image) {  // sorted: a folder comes before what it holds
    if (content) {
      real_file_system().create(root / name)->write(*content);
    } else {
      fs::create_directory(root / name);
    }
  }
}

CrashFileSystem::CrashFileSystem(FileSystem& under, Path root) : under_(under), root_path_(std::move(root)) {
  adopt();
}

CrashFileSystem::~CrashFileSystem() = default;

void CrashFileSystem::adopt() {
  changes_.clear();
  root_ = std::make_shared<Node>(Node{.is_folder = true});
  for (const auto& [name, content] : read_image(root_path_)) {
    const auto node = std::make_shared<Node>(Node{.is_folder = !content});
    node->synced_content = content.value_or("");
    node->size_bytes = node->synced_content.size();
    const Place place = place_of(root_path_ / name);
    place.folder->entries[place.name] = place.folder->synced_entries[place.name] = node;
  }
}

void CrashFileSystem::crash(Loss loss, uint64_t seed) {
  if (loss == Loss::kNothing) return;
  if (has_unsynced()) write_image(after_crash(loss, seed), root_path_);
  adopt();
}

CrashFileSystem::Place CrashFileSystem::place_of(const Path& path) const {
  const std::string& text = path.native();
  const std::string prefix = root_path_.native() + "/";
  if (!text.starts_with(prefix)) return {};
  Place place{.folder = root_, .name = ""};
  std::string_view rest = std::string_view(text).substr(prefix.size());
  for (auto slash = rest.find('/'); slash != std::string_view::npos; slash = rest.find('/')) {
    const auto found = place.folder->entries.find(rest.substr(0, slash));
    PRETRAIN_CHECK(found != place.folder->entries.end(), "{} was changed by other means", text);
    place.folder = found->second;
    rest.remove_prefix(slash + 1);
  }
  place.name = rest;
  return place;
}

CrashFileSystem::NodePtr CrashFileSystem::node_at(const Path& path) const {
  if (path == root_path_) return root_;
  const Place place = place_of(path);
  if (!place.folder) return nullptr;
  const auto found = place.folder->entries.find(place.name);
  return found == place.folder->entries.end() ? nullptr : found->second;
}

void CrashFileSystem::change(const Place& from, const Place& to, const NodePtr& node) {
  if (from.folder) from.folder->entries.erase(from.name);
  if (to.folder) to.folder->entries[to.name] = node;
  changes_.push_back(
      {.from = from, .to = to, .node = node, .from_synced = !from.folder, .to_synced = !to.folder});
}

std::unique_ptr<WritableFile> CrashFileSystem::create(const Path& path) {
  auto file = under_.create(path);
  const Place place = place_of(path);
  const auto node = std::make_shared<Node>();
  if (place.folder) change({}, place, node);
  return std::make_unique<File>(path, std::move(file), node);
}

std::unique_ptr<WritableFile> CrashFileSystem::append(const Path& path, uint64_t keep_bytes) {
  auto file = under_.append(path, keep_bytes);
  NodePtr node = node_at(path);
  if (!node) {
    node = std::make_shared<Node>();
    const Place place = place_of(path);
    if (place.folder) change({}, place, node);
  }
  if (node->size_bytes > keep_bytes) node->add({.offset = keep_bytes, .is_cut = true});
  return std::make_unique<File>(path, std::move(file), node);
}

void CrashFileSystem::make_folder(const Path& path) {
  under_.make_folder(path);
  const Place place = place_of(path);
  if (!place.folder || node_at(path)) return;
  change({}, place, std::make_shared<Node>(Node{.is_folder = true}));
}

void CrashFileSystem::rename(const Path& from, const Path& to) {
  under_.rename(from, to);
  if (const NodePtr node = node_at(from)) change(place_of(from), place_of(to), node);
}

void CrashFileSystem::sync_folder(const Path& path) {
  under_.sync_folder(path);
  const NodePtr folder = node_at(path);
  if (!folder) return;
  for (EntryChange& change : changes_) {
    // Once the old name is gone for good, the new one is there.
    if (!change.from_synced && change.from.folder == folder && !change.to_synced) {
      change.to.folder->synced_entries[change.to.name] = change.node;
      change.to_synced = true;
    }
    change.from_synced |= change.from.folder == folder;
    change.to_synced |= change.to.folder == folder;
  }
  folder->synced_entries = folder->entries;
  std::erase_if(changes_, [](const EntryChange& c) { return c.from_synced && c.to_synced; });
}

void CrashFileSystem::remove_file(const Path& path) {
  under_.remove_file(path);
  if (const NodePtr node = node_at(path)) change(place_of(path), {}, node);
}

void CrashFileSystem::remove_folder(const Path& path) {
  under_.remove_folder(path);
  if (const NodePtr node = node_at(path)) change(place_of(path), {}, node);
}

namespace {

bool any_unsynced(const auto& node) {
  if (!node.unsynced.empty()) return true;
  return std::ranges::any_of(node.entries, [](const auto& entry) { return any_unsynced(*entry.second); });
}

/// Entries first: what no name leads to has no content to decide on.
void insert_nodes(Image& image, const auto& folder, const std::string& prefix, const auto& entries_of,
                  Loss loss, Rng& rng) {
  for (const auto& [name, node] : entries_of(folder)) {
    if (node->is_folder) {
      image[prefix + name] = std::nullopt;
      insert_nodes(image, *node, prefix + name + "/", entries_of, loss, rng);
    } else {
      image[prefix + name] = node->content_after(loss, rng);
    }
  }
}

}  // namespace

bool CrashFileSystem::has_unsynced() const {
  return !changes_.empty() || any_unsynced(*root_);
}

CrashFileSystem::EntriesAfter CrashFileSystem::entries_after(Loss loss, Rng& rng) const {
  EntriesAfter after;
  const bool all =
      loss == Loss::kNothing || (loss != Loss::kUnsynced && loss != Loss::kRandomSubset && coin(rng));
  const auto entries = [&](const NodePtr& folder) -> Entries& {
    return after.try_emplace(folder.get(), folder->synced_entries).first->second;
  };
  for (const EntryChange& change : changes_) {
    const bool is_rename = change.from.folder && change.to.folder;
    const bool survives =
        all || (loss == Loss::kRenamedFirst ? is_rename : loss != Loss::kUnsynced && coin(rng));
    if (!survives) continue;
    const bool between_folders = is_rename && change.from.folder != change.to.folder;
    const bool twice = between_folders && loss != Loss::kNothing && coin(rng);
    if (!change.from_synced && !twice) entries(change.from.folder).erase(change.from.name);
    if (!change.to_synced) entries(change.to.folder)[change.to.name] = change.node;
  }
  return after;
}

Image CrashFileSystem::after_crash(Loss loss, uint64_t seed) const {
  Rng rng(seed);
  const EntriesAfter after = entries_after(loss, rng);
  const auto entries_of = [&](const Node& folder) -> const Entries& {
    const auto found = after.find(&folder);
    return found == after.end() ? folder.synced_entries : found->second;
  };
  Image image;
  insert_nodes(image, *root_, "", entries_of, loss, rng);
  return image;
}

}  // namespace pretrain::test
