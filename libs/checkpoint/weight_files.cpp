// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/weight_files.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/half_float.h"
#include "libs/base/json.h"
#include "libs/base/text.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

constexpr size_t kMostTensors = 100'000;
constexpr JsonLimits kIndexLimits{.bytes = 16_MiB, .depth = 4, .values = kMostTensors + 100};
constexpr size_t kMostNameBytes = 200;
constexpr size_t kPieceElements = 1_MiB;
constexpr const char* kPickleName = "pytorch_model.bin";

std::string shown(std::string_view name) {
  return printable(name.substr(0, kMostNameBytes));
}

[[noreturn]] void refuse(const std::string& reason) {
  throw Error(ErrorKind::kData, reason);
}

/// A file of the folder, whatever the index holds.
bool is_plain_name(std::string_view name) {
  return name.size() <= kMostNameBytes && name.ends_with(".safetensors") &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

std::set<std::string_view> files_of(const WeightMap& map) {
  std::set<std::string_view> files;
  for (const auto& [tensor, file] : map) files.insert(file);
  return files;
}

WeightMap to_weight_map(const nlohmann::json& json) {
  if (!json.is_object()) refuse("its weight_map is not an object");
  WeightMap map;
  for (const auto& [tensor, file] : json.items()) {
    if (!file.is_string() || !is_plain_name(file.get_ref<const std::string&>()))
      refuse(fmt::format("tensor {} is in no file of the folder whose name ends in .safetensors",
                         shown(tensor)));
    map.emplace(tensor, file.get<std::string>());
  }
  if (map.empty() || map.size() > kMostTensors)
    refuse(fmt::format("it lists {} tensors and must list 1 to {}", map.size(), kMostTensors));
  const size_t files = files_of(map).size();
  if (files > kMostWeightFiles)
    refuse(fmt::format("it lists {} files, more than {}", files, kMostWeightFiles));
  return map;
}

WeightMap read_weight_index(const Path& path, Links links) {
  try {
    return parse_weight_index(read_file(path, kIndexLimits.bytes, links));
  } catch (const IoError&) {
    throw;
  } catch (const Error& error) {
    fail(ErrorKind::kData, "{} is not a usable list of weights: {}; copy it again", path.native(),
         error.what());
  }
}

/// A name in the index and a tensor in a file that don't match.
[[noreturn]] void fail_mismatch(const Path& index, std::string_view tensor, const Path& file,
                                std::string_view problem) {
  fail(ErrorKind::kData, "{}: tensor {} {} {}; copy {} and all files that it lists again, from one place",
       index.native(), shown(tensor), problem, file.filename().native(), kWeightIndexName);
}

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kBf16 || dtype == DType::kF16;
}

/// A part of a tensor of a narrow type, from an element on.
void read_narrow(const SafetensorsFile& file, std::string_view name, size_t at, std::span<float> into) {
  std::vector<uint16_t> narrow(into.size());
  file.read_part(name, at * sizeof(uint16_t), std::as_writable_bytes(std::span(narrow)));
  std::ranges::transform(narrow, into.begin(), file.find(name)->dtype == DType::kBf16 ? from_bf16 : from_f16);
}

}  // namespace

WeightMap parse_weight_index(std::string_view text) {
  WeightMap map;
  const auto take = [&](const std::string& key, const nlohmann::json& value) {
    if (key == "weight_map") map = to_weight_map(value);
  };
  parse_json_members(text, kIndexLimits, take);
  if (map.empty()) refuse("it has no weight_map");
  return map;
}

WeightFiles WeightFiles::open(const Path& folder, Links links) {
  const Path single = folder / kWeightsName;
  WeightFiles result(single);
  if (file_exists(single)) {
    result.add(SafetensorsFile::open(single, links));
  } else if (const Path index = folder / kWeightIndexName; file_exists(index)) {
    result.path_ = index;
    result.add_listed(folder, read_weight_index(index, links), links);
  } else if (file_exists(folder / kPickleName)) {
    fail(ErrorKind::kData, "{}: the weights are a pickle, {}; save the model again as safetensors",
         folder.native(), kPickleName);
  } else {
    fail(ErrorKind::kData, "{} is missing; copy it from where the model came from", single.native());
  }
  return result;
}

void WeightFiles::add(SafetensorsFile file) {
  for (const auto& [name, info] : file.tensors()) place_.emplace(name, files_.size());
  files_.push_back(std::move(file));
}

void WeightFiles::add_listed(const Path& folder, const WeightMap& map, Links links) {
  for (const std::string_view name : files_of(map)) {
    const Path path = folder / name;
    if (!file_exists(path))
      fail(ErrorKind::kData, "{} is missing, which {} lists; copy it from where the model came from",
           path.native(), kWeightIndexName);
    SafetensorsFile file = SafetensorsFile::open(path, links);
    for (const auto& [tensor, info] : file.tensors()) {
      const auto listed = map.find(tensor);
      if (listed == map.end() || listed->second != name)
        fail_mismatch(path_, tensor, path, "is not listed as one of");
    }
    add(std::move(file));
  }
  for (const auto& [tensor, name] : map) {
    if (!contains(tensor)) fail_mismatch(path_, tensor, folder / name, "is not in");
  }
}

std::vector<std::string> WeightFiles::names() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : place_) names.push_back(name);
  return names;
}

const SafetensorsFile& WeightFiles::file_with(std::string_view name) const {
  const auto found = place_.find(name);
  if (found == place_.end()) fail(ErrorKind::kData, "{} has no tensor {}", path_.native(), shown(name));
  return files_[found->second];
}

void WeightFiles::require_floats(std::string_view name, std::span<const uint64_t> shape) const {
  const SafetensorsFile& file = file_with(name);
  const DType dtype = file.find(name)->dtype;
  file.require(name, is_float(dtype) ? dtype : DType::kF32, shape);
}

void WeightFiles::read_floats(std::string_view name, std::span<float> into) const {
  const SafetensorsFile& file = file_with(name);
  const TensorInfo& info = *file.find(name);
  PRETRAIN_CHECK(is_float(info.dtype) && info.size_bytes == into.size() * size_of(info.dtype),
                 "{}: {} bytes of {} into {} floats", name, info.size_bytes, name_of(info.dtype),
                 into.size());
  for (size_t at = 0; at < into.size(); at += kPieceElements) {
    const auto part = into.subspan(at, std::min(kPieceElements, into.size() - at));
    if (info.dtype == DType::kF32) {
      file.read_part(name, at * sizeof(float), std::as_writable_bytes(part));
    } else {
      read_narrow(file, name, at, part);
    }
  }
}

}  // namespace pretrain
