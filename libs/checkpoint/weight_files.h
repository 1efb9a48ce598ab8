// SPDX-License-Identifier: Apache-2.0
#pragma once
// The weights of a model folder as Hugging Face has them: model.safetensors, or several such files that
// model.safetensors.index.json lists. Elements may be F32, F16 or BF16.
//
//   const WeightFiles files = WeightFiles::open(folder);
//   files.require_floats("wte.weight", shape);        // first for all tensors, so that nothing is half loaded
//   files.read_floats("wte.weight", values);

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/file.h"
#include "libs/checkpoint/safetensors.h"

namespace pretrain {

inline constexpr std::string_view kWeightsName = "model.safetensors";
inline constexpr std::string_view kWeightIndexName = "model.safetensors.index.json";

/// All are open at once; the largest models that are published have fewer.
inline constexpr size_t kMostWeightFiles = 256;

/// Names of tensors, and of the file that each is in.
using WeightMap = std::map<std::string, std::string, std::less<>>;

/// The content of model.safetensors.index.json: at most 100,000 tensors in at most 256 files, which are named
/// without a path.
/// Errors: kData, a short reason without the name of the file, such as "it has no weight_map".
WeightMap parse_weight_index(std::string_view text);

/// Validated files open for reading. Thread-safe.
class WeightFiles {
 public:
  /// Opens DIR/model.safetensors if it is there, otherwise the files of the index. Those must hold exactly the
  /// tensors that the index says.
  /// Errors: kData, naming the file and what is wrong; for weights in another format, how to convert them.
  /// IoError when a file can't be read.
  static WeightFiles open(const Path& folder, Links links = Links::kFollow);

  /// model.safetensors, or the index.
  const Path& path() const { return path_; }
  /// Of all tensors, sorted.
  std::vector<std::string> names() const;
  bool contains(std::string_view name) const { return place_.contains(name); }
  /// Errors: kData when the tensor is missing, has another shape, or is not F32, F16 or BF16.
  void require_floats(std::string_view name, std::span<const uint64_t> shape) const;
  /// Reads a tensor as float32, which holds the narrow types exactly, in pieces of bounded size.
  /// Requires: require_floats(); one place for each element.
  /// Errors: kData when the file was truncated since; IoError.
  void read_floats(std::string_view name, std::span<float> into) const;

 private:
  explicit WeightFiles(Path path) : path_(std::move(path)) {}
  void add(SafetensorsFile file);
  void add_listed(const Path& folder, const WeightMap& map, Links links);
  const SafetensorsFile& file_with(std::string_view name) const;

  Path path_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, size_t, std::less<>> place_;  // in files_
};

}  // namespace pretrain
