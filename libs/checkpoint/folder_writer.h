#pragma once
// Writes the files of one checkpoint into a new folder so that they are on the device and proven to be:
// allocate, write while hashing, sync, close, read back, manifest last. Names, renames and retention are the
// store's part.
// Thread safety: none needed; the sources must not change until on_sources_read was called.

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

/// One file of a checkpoint.
struct FileContent {
  std::string name;                                           ///< plain name, see is_plain_file_name
  std::variant<std::string, std::vector<TensorSource>> data;  ///< bytes as they are, or a safetensors file
  TensorMetadata metadata = {};                               ///< of a safetensors file
  bool must_be_finite = false;  ///< refuse NaN and infinity in its float tensors
};

struct CheckpointContent {
  uint64_t step = 0;
  std::vector<FileContent> files;
  nlohmann::json fingerprint = nlohmann::json::object();
  nlohmann::json configuration = nlohmann::json::object();
  nlohmann::json parent = nlohmann::json::object();  ///< see Manifest::parent
  /// The run is in trouble: no older checkpoint is removed for this one.
  bool keeps_all_older = false;
};

/// Bytes on disk without the manifest.
uint64_t content_size_bytes(const CheckpointContent& content);

/// Writes, syncs and verifies everything, the folder's entries included; the folder itself is still under
/// whatever name it has. Calls `on_sources_read` once the last byte of the tensors has left their memory, not
/// at all when it fails before that. Returns the manifest.
/// Requires: the folder exists and is empty; file names are plain and unique.
/// Errors: IoError; kRuntime for a tensor that is not finite or a file that reads back differently.
Manifest write_checkpoint_folder(FileSystem& files, const Path& folder, const CheckpointContent& content,
                                 const std::function<void()>& on_sources_read);

}  // namespace pretrain
