#pragma once
// The manifest of a checkpoint: its step, each file with size and hash, what the run was configured as and
// what it ran on. It protects itself: the text begins with a hash of everything after that hash, so that any
// changed byte shows. All format versions, newer ones too, begin with that field, and have the field
// format_version.

#include <cstdint>
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
  /// The checkpoint that the run started from: path, step, hash of its manifest, changed keys. Empty for a
  /// run of its own.
  nlohmann::json parent = nlohmann::json::object();
  std::string created = {};  ///< UTC, such as 2025-01-31T12:00:00Z

  bool operator==(const Manifest&) const = default;
};

/// A file of a checkpoint is not what was written.
class DamageError : public Error {
 public:
  /// `path` names the file, `reason` what is wrong with it; what() says both and the remedy.
  DamageError(std::string_view path, std::string reason);
  const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
};

/// The checkpoint is intact, but this program is too old for it: not damage, nothing may be set aside.
class NewerFormatError : public Error {
 public:
  using Error::Error;
};

/// The text of the file. Bytes that are not UTF-8 (in a path of the configuration) are replaced.
std::string manifest_text(const Manifest& manifest);

/// Errors: kData with `name` and what is wrong; NewerFormatError.
Manifest parse_manifest(std::string_view text, std::string_view name);

/// A name that can be a file of a checkpoint: no path, not hidden, not the manifest's own.
bool is_plain_file_name(std::string_view name);

/// The current time as `Manifest::created` holds it.
std::string utc_now();

}  // namespace pretrain
