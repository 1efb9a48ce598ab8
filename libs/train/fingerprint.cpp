// SPDX-License-Identifier: Apache-2.0
#include "libs/train/fingerprint.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "libs/base/file.h"
#include "libs/base/hash.h"
#include "libs/base/loaded_libraries.h"
#include "libs/base/machine.h"
#include "libs/tensor/peak.h"
#include "libs/tensor/precision.h"

namespace pretrain {
namespace {

constexpr std::string_view kUnknown = "unknown";

/// Libraries that affect results: initial weights use log and cos of libm, sums and sorting use libstdc++ and
/// oneTBB, tokens come from SentencePiece, text from the parsers of JSON and XML. Decompressors return the
/// same bytes in any version, and libraries for logging and options don't affect numbers.
constexpr std::array<std::string_view, 7> kComputing{"libm",   "libstdc++",   "libsentencepiece", "libtbb",
                                                     "libhwy", "libsimdjson", "libexpat"};

/// Hashes whole files: about ten megabytes in total, which takes milliseconds.
std::string content_hash(const Path& file) {
  try {
    return hash128_hex(read_file(file));
  } catch (const IoError&) {
    return std::string(kUnknown);  // the file may be gone after an upgrade
  }
}

/// The hash of the program's file, or "unknown" if an upgrade has replaced it meanwhile.
std::string program_hash() {
  try {
    return content_hash(std::filesystem::read_symlink("/proc/self/exe"));
  } catch (const std::filesystem::filesystem_error&) {
    return std::string(kUnknown);
  }
}

nlohmann::json library_hashes() {
  nlohmann::json hashes = nlohmann::json::object();
  for (const Path& file : loaded_libraries()) {
    const std::string name = library_name(file);
    if (std::ranges::find(kComputing, name) != kComputing.end()) hashes[name] = content_hash(file);
  }
  return hashes;
}

/// The value of a key, or null; `json` may be anything that a file holds.
nlohmann::json value_of(const nlohmann::json& json, const std::string& key) {
  return json.is_object() && json.contains(key) ? json.at(key) : nlohmann::json();
}

void add_differing_keys(const nlohmann::json& saved, const nlohmann::json& current,
                        std::vector<std::string>& names) {
  for (const auto& [key, value] : current.items()) {
    if (value.is_object()) {
      const nlohmann::json inner = value_of(saved, key);
      if (inner.is_null()) {
        names.push_back(fmt::format("perhaps {} (the checkpoint does not name its own)", key));
      } else {
        add_differing_keys(inner, value, names);
      }
    } else if (value_of(saved, key) != value) {
      names.push_back(key);
    }
  }
}

}  // namespace

nlohmann::json machine_fingerprint() {
  return {{"processor", inspect_machine().processor},
          {"vector_target", vector_target()},
          {"bf16_products", bf16_products()},
          {"program", program_hash()},
          {"libraries", library_hashes()}};
}

std::string fingerprint_difference(const nlohmann::json& saved, const nlohmann::json& current) {
  std::vector<std::string> names;
  add_differing_keys(saved, current, names);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace pretrain
