// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/rewritten.h"

#include <algorithm>
#include <array>

#include "libs/base/json.h"
#include "libs/base/units.h"
#include "libs/checkpoint/safetensors.h"

namespace pretrain {
namespace {

constexpr std::string_view kConfigFile = "config.json";
constexpr uint64_t kConfigLimitBytes = 1_MiB;

/// The text of the file if it is a JSON object of another length than was written; empty otherwise.
std::optional<std::string> reworded_object(const Path& path, const ManifestFile& expected) {
  try {
    std::string text = read_file(path, kConfigLimitBytes, Links::kRefuse);
    if (text.size() != expected.size_bytes && parse_json(text).is_object()) return text;
  } catch (const Error&) {  // no file of this kind
  }
  return std::nullopt;
}

/// Only the header was rewritten if the tensor data has the same length as before: the rest of the expected
/// size is then about the length of the new header. This excludes a copy of another model's file.
bool has_reworded_header(const Path& path, const ManifestFile& expected) {
  try {
    const SafetensorsFile file = SafetensorsFile::open(path, Links::kRefuse);
    uint64_t data = 0;
    for (const auto& [name, tensor] : file.tensors()) data += tensor.size_bytes;
    const uint64_t size = ReadableFile(path, Links::kRefuse).size();
    if (size == expected.size_bytes || data >= expected.size_bytes) return false;
    const uint64_t header = size - data;
    const uint64_t header_before = expected.size_bytes - data;
    constexpr uint64_t kMostTimes = 4;  // other names, other blanks, more metadata
    return header_before <= kMostTimes * header && header <= kMostTimes * header_before;
  } catch (const Error&) {  // no file of this kind
    return false;
  }
}

}  // namespace

bool is_for_other_programs(std::string_view name) {
  static constexpr std::array kNames{std::string_view("tokenizer.json"),
                                     std::string_view("tokenizer_config.json"),
                                     std::string_view("generation_config.json")};
  return std::ranges::find(kNames, name) != kNames.end();
}

bool is_config_of_transformers(const Path& folder, const ManifestFile& expected) {
  if (expected.name != kConfigFile) return false;
  const auto text = reworded_object(folder / expected.name, expected);
  return text && text->find("\"transformers_version\"") != std::string::npos;
}

bool is_rewritten(const Path& folder, const ManifestFile& expected) {
  const Path path = folder / expected.name;
  if (expected.name == kConfigFile) return reworded_object(path, expected).has_value();
  return expected.name == kModelFile && has_reworded_header(path, expected);
}

}  // namespace pretrain
