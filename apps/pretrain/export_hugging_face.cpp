// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/export_hugging_face.h"

#include <span>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/units.h"
#include "libs/checkpoint/weight_files.h"
#include "libs/gguf/writer.h"
#include "libs/model/hugging_face_config.h"
#include "tokenizer/export.h"

namespace pretrain {
namespace {

using Shard = std::vector<const ParameterInfo*>;

DType dtype_of(ElementType type) {
  if (type == ElementType::kF32) return DType::kF32;
  PRETRAIN_CHECK(type != ElementType::kQ8_0, "{} in safetensors", name_of(type));
  return type == ElementType::kF16 ? DType::kF16 : DType::kBf16;
}

/// The name that transformers knows.
std::string_view torch_dtype(ElementType type) {
  if (type == ElementType::kF32) return "float32";
  return type == ElementType::kF16 ? "float16" : "bfloat16";
}

std::vector<Shard> cut(const ParameterLayout& layout, ElementType type, uint64_t most_bytes) {
  std::vector<Shard> shards(1);
  uint64_t bytes = 0;
  for (const ParameterInfo& tensor : layout.tensors()) {
    const uint64_t more = stored_bytes(type, tensor.size);
    if (bytes > 0 && bytes + more > most_bytes) {
      shards.emplace_back();
      bytes = 0;
    }
    shards.back().push_back(&tensor);
    bytes += more;
  }
  return shards;
}

std::string header_of(const Shard& shard, ElementType type) {
  std::vector<TensorOutline> outlines;
  for (const ParameterInfo* tensor : shard)
    outlines.push_back({tensor->name, dtype_of(type), {tensor->shape.begin(), tensor->shape.end()}});
  return safetensors_header(outlines, {{"format", "pt"}});
}

/// One tensor in memory at a time.
void write_shard(const ModelOutline& model, const Shard& shard, ElementType type, const std::stop_token& stop,
                 const ByteSink& sink) {
  const std::string header = header_of(shard, type);
  sink(std::as_bytes(std::span(header)));
  for (const ParameterInfo* tensor : shard) {
    if (stop.stop_requested()) throw Stopped();
    std::vector<float> values(tensor->size);
    model.weights->read_tensor(*tensor, values);
    write_elements(tensor->name, type, values, sink);
  }
}

FileContent shard_file(const ModelOutline& model, const Shard& shard, const std::string& name,
                       ElementType type, const std::stop_token& stop) {
  uint64_t bytes = header_of(shard, type).size();
  for (const ParameterInfo* tensor : shard) bytes += stored_bytes(type, tensor->size);
  const auto write = [&model, shard, type, stop](const ByteSink& sink) {
    write_shard(model, shard, type, stop, sink);
  };
  return {.name = name, .data = StreamedFile{.size_bytes = bytes, .write = write}};
}

std::string shard_name(size_t index, size_t count) {
  if (count == 1) return std::string(kWeightsName);
  return fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, count);
}

/// Which tensor is in which file.
std::string index_text(const std::vector<Shard>& shards, ElementType type) {
  nlohmann::ordered_json files = nlohmann::ordered_json::object();
  uint64_t bytes = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    for (const ParameterInfo* tensor : shards[i]) {
      files[tensor->name] = shard_name(i, shards.size());
      bytes += stored_bytes(type, tensor->size);
    }
  }
  const nlohmann::ordered_json index = {{"metadata", {{"total_size", bytes}}}, {"weight_map", files}};
  return index.dump(2) + "\n";
}

FileContent json_file(std::string name, const nlohmann::json& json) {
  return {.name = std::move(name), .data = json.dump(2) + "\n"};
}

}  // namespace

std::vector<FileContent> hugging_face_weights(const ModelOutline& model, ElementType type,
                                              uint64_t most_bytes, const std::stop_token& stop) {
  const std::vector<Shard> shards = cut(*model.layout, type, most_bytes);
  if (shards.size() > kMostWeightFiles)
    fail(ErrorKind::kUsage, "files of at most {} would be {}, more than {}; choose a larger --shard-size",
         format_bytes(most_bytes), shards.size(), kMostWeightFiles);
  std::vector<FileContent> files;
  for (size_t i = 0; i < shards.size(); ++i)
    files.push_back(shard_file(model, shards[i], shard_name(i, shards.size()), type, stop));
  if (shards.size() > 1)
    files.push_back({.name = std::string(kWeightIndexName), .data = index_text(shards, type)});
  return files;
}

std::vector<FileContent> hugging_face_files(const ModelOutline& model, ElementType type, uint64_t most_bytes,
                                            const std::stop_token& stop) {
  const Tokenizer& tokenizer = *model.tokenizer;
  nlohmann::json config = hugging_face_config(model.config, tokenizer.end_of_text());
  config["torch_dtype"] = torch_dtype(type);
  const auto context = static_cast<uint32_t>(model.config.context);
  std::vector<FileContent> files = hugging_face_weights(model, type, most_bytes, stop);
  files.push_back(json_file("config.json", config));
  files.push_back(json_file("generation_config.json",
                            hugging_face_generation_config(model.config, tokenizer.end_of_text())));
  for (TokenizerFile& file : hugging_face_tokenizer(tokenizer, context))
    files.push_back({.name = std::move(file.name), .data = std::move(file.text)});
  return files;
}

}  // namespace pretrain
