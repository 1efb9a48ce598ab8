// SPDX-License-Identifier: Apache-2.0
#pragma once
// The manifest of a checkpoint: its step, the size and hash of each file, the configuration of the run, and
// the machine it ran on. The text begins with a hash of everything after that hash, so that every changed
// byte is detected. All format versions, including future ones, begin with that field and have the field
// format_version.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/error.h"

namespace pretrain {

constexpr const char* kManifestName = "manifest.json";
constexpr uint64_t kManifestVersion = 1;

struct ManifestFile {
  std::string name = {};  ///< plain name inside the checkpoint's folder
  uint64_t size_bytes = 0;
  std::string hash = {};  ///< XXH3 of 128 bits, hexadecimal

  bool operator==(const ManifestFile&) const = default;
};

struct Manifest {
  uint64_t format_version = kManifestVersion;
  uint64_t step = 0;
  std::vector<ManifestFile> files = {};
  nlohmann::json fingerprint = nlohmann::json::object();    ///< processor, binary, libraries
  nlohmann::json configuration = nlohmann::json::object();  ///< resolved configuration of the run
  /// The checkpoint that a branch started from: path, step, hash of its manifest, changed keys. Empty for
  /// other runs.
  nlohmann::json parent = nlohmann::json::object();
  std::string created = {};  ///< UTC, such as 2025-01-31T12:00:00Z

  bool operator==(const Manifest&) const = default;
};

/// The time of Manifest::created; nothing when it is none.
std::optional<std::chrono::system_clock::time_point> created_at(const Manifest& manifest);

/// A file of a checkpoint differs from what was written.
class DamageError : public Error {
 public:
  /// `path` names the file, `reason` the problem; what() has both and the remedy.
  DamageError(std::string_view path, std::string reason);
  const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
};

/// The checkpoint is intact but has a format newer than this program. It is not damaged and must not be set
/// aside.
class NewerFormatError : public Error {
 public:
  using Error::Error;
};

/// The text of the manifest. Bytes that are not UTF-8 (in a path of the configuration) are replaced.
std::string manifest_text(const Manifest& manifest);

/// Errors: kData with `name` and the problem; NewerFormatError.
Manifest parse_manifest(std::string_view text, std::string_view name);

/// Whether a checkpoint may have a file of this name: not a path, not hidden, not the manifest's own name.
bool is_plain_file_name(std::string_view name);

/// The current time in the format of `Manifest::created`.
std::string utc_now();

}  // namespace pretrain
