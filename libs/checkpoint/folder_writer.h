// SPDX-License-Identifier: Apache-2.0
#pragma once
// Writes the files of one checkpoint, or of an exported model, into a new folder, durably and verified: allocate,
// write while hashing, sync, close, read back; of a checkpoint the manifest last. The store (store.h) handles
// names, renames and retention. Not thread-safe; the sources must not change until on_sources_read was called.

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"
#include "libs/checkpoint/manifest.h"
#include "libs/checkpoint/safetensors.h"

namespace pretrain {

/// A file that is made while it is written, because it need not fit in memory.
struct StreamedFile {
  uint64_t size_bytes = 0;                     ///< what `write` hands on
  std::function<void(const ByteSink&)> write;  ///< is called once
};

/// One file of a checkpoint.
struct FileContent {
  std::string name;  ///< plain name, see is_plain_file_name
  /// Bytes as they are, a safetensors file, or any other.
  std::variant<std::string, std::vector<TensorSource>, StreamedFile> data;
  TensorMetadata metadata = {};  ///< of a safetensors file
  bool must_be_finite = false;   ///< refuse NaN and infinity in its float tensors
};

struct CheckpointContent {
  uint64_t step = 0;
  std::vector<FileContent> files;
  nlohmann::json fingerprint = nlohmann::json::object();
  nlohmann::json configuration = nlohmann::json::object();
  nlohmann::json parent = nlohmann::json::object();  ///< see Manifest::parent
  /// The run is in trouble: saving this checkpoint removes no older one.
  bool keeps_all_older = false;
};

/// Bytes on disk, without the manifest.
uint64_t content_size_bytes(const CheckpointContent& content);

/// Writes, syncs and verifies files; the folder's entries are not synced yet. Calls `on_sources_read` once all
/// tensors and streams have been read; never if it fails before that. Returns size and hash of each file.
/// Requires: as for write_checkpoint_folder().
/// Errors: IoError; kRuntime for a tensor that is not finite or a file that reads back differently; those of a
/// stream.
std::vector<ManifestFile> write_verified_files(FileSystem& files, const Path& folder,
                                               const std::vector<FileContent>& contents,
                                               const std::function<void()>& on_sources_read = {});

/// Writes, syncs and verifies all files and the folder's entries; the name of the folder itself is not
/// synced. Calls `on_sources_read` once all tensors have been read from memory; never if it fails before
/// that. Returns the manifest.
/// Requires: the folder exists and is empty; file names are plain and unique.
/// Errors: IoError; kRuntime for a tensor that is not finite or a file that reads back differently.
Manifest write_checkpoint_folder(FileSystem& files, const Path& folder, const CheckpointContent& content,
                                 const std::function<void()>& on_sources_read);

}  // namespace pretrain
