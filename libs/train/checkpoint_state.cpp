#include "libs/train/checkpoint_state.h"

#include <algorithm>

#include "libs/base/error.h"
#include "libs/checkpoint/safetensors.h"

namespace pretrain {
namespace {

std::vector<uint64_t> shape_of(const ParameterInfo& tensor) {
  return {tensor.shape.begin(), tensor.shape.end()};
}

std::vector<TensorSource> tensor_views(const ParameterLayout& layout, std::string_view prefix,
                                       const float* values) {
  std::vector<TensorSource> views;
  for (const ParameterInfo& tensor : layout.tensors()) {
    views.push_back({.name = std::string(prefix) + tensor.name,
                     .dtype = DType::kF32,
                     .shape = shape_of(tensor),
                     .data = std::as_bytes(std::span(values + tensor.offset, tensor.size))});
  }
  return views;
}

void read_tensors(const SafetensorsFile& file, const ParameterLayout& layout, std::string_view prefix,
                  float* values) {
  std::fill_n(values, layout.flat_size(), 0.0F);  // the padding between tensors too
  for (const ParameterInfo& tensor : layout.tensors()) {
    file.read(std::string(prefix) + tensor.name, DType::kF32, shape_of(tensor),
              std::as_writable_bytes(std::span(values + tensor.offset, tensor.size)));
  }
}

std::vector<TensorSource> stream_views(const StreamState& stream) {
  std::vector<TensorSource> views;
  for (const StreamState::Array& array : stream.arrays) {
    views.push_back({.name = array.name,
                     .dtype = array.element_bytes == 2 ? DType::kU16 : DType::kU32,
                     .shape = array.shape,
                     .data = array.bytes});
  }
  return views;
}

nlohmann::json to_json(const RunState& run, const AdamW& optimizer, const StreamState& stream) {
  nlohmann::json in_a_row = nlohmann::json::array();
  for (const GuardedStep& step : run.guard.in_a_row)
    in_a_row.push_back({{"step", step.step}, {"batch", step.batch}});
  return {{"step", run.step},
          {"tokens", run.tokens},
          {"updates", optimizer.updates()},
          {"guard", {{"total", run.guard.total}, {"in_a_row", in_a_row}}},
          {"log", {{"segment", run.log.segment}, {"offset_bytes", run.log.offset_bytes}}},
          {"trained_seconds", run.trained_seconds},
          {"stream", stream.scalars}};
}

void from_json(const nlohmann::json& json, RunState& run, AdamW& optimizer, StreamState& stream) {
  run.step = json.at("step").get<uint64_t>();
  run.tokens = json.at("tokens").get<uint64_t>();
  optimizer.set_updates(json.at("updates").get<uint64_t>());
  run.guard.total = json.at("guard").at("total").get<uint64_t>();
  run.guard.in_a_row.clear();
  for (const auto& entry : json.at("guard").at("in_a_row")) {
    run.guard.in_a_row.push_back({entry.at("step").get<uint64_t>(), entry.at("batch").get<uint64_t>()});
  }
  run.log = {json.at("log").at("segment").get<uint64_t>(), json.at("log").at("offset_bytes").get<uint64_t>()};
  run.trained_seconds = json.at("trained_seconds").get<double>();
  stream.scalars = json.at("stream");
}

void read_stream(const Path& path, StreamState& stream) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  stream.arrays.clear();
  for (const auto& [name, info] : file.tensors()) {
    StreamState::Array array{.name = name,
                             .element_bytes = static_cast<uint32_t>(size_of(info.dtype)),
                             .shape = info.shape,
                             .bytes = std::vector<std::byte>(info.size_bytes)};
    file.read(name, array.bytes);
    stream.arrays.push_back(std::move(array));
  }
}

}  // namespace

std::vector<FileContent> checkpoint_files(const RunState& run, const ParameterLayout& layout,
                                          const float* parameters, AdamW& optimizer,
                                          const StreamState& stream) {
  std::vector<TensorSource> moments = tensor_views(layout, "m.", optimizer.m().data());
  for (TensorSource& view : tensor_views(layout, "v.", optimizer.v().data()))
    moments.push_back(std::move(view));
  std::vector<FileContent> files;
  files.push_back({.name = "model.safetensors",
                   .data = tensor_views(layout, "", parameters),
                   .metadata = {{"format", "pt"}},
                   .must_be_finite = true});
  files.push_back({.name = "optimizer.safetensors", .data = std::move(moments), .must_be_finite = true});
  files.push_back({.name = "stream.safetensors", .data = stream_views(stream)});
  files.push_back({.name = "state.json", .data = to_json(run, optimizer, stream).dump(1) + "\n"});
  return files;
}

void load_parameters(const Path& checkpoint_folder, const ParameterLayout& layout, float* parameters) {
  read_tensors(SafetensorsFile::open(checkpoint_folder / "model.safetensors"), layout, "", parameters);
}

void load_checkpoint(const Checkpoint& checkpoint, const ParameterLayout& layout, float* parameters,
                     AdamW& optimizer, RunState& run, StreamState& stream) {
  load_parameters(checkpoint.folder, layout, parameters);
  const SafetensorsFile moments = SafetensorsFile::open(checkpoint.folder / "optimizer.safetensors");
  read_tensors(moments, layout, "m.", optimizer.m().data());
  read_tensors(moments, layout, "v.", optimizer.v().data());
  read_stream(checkpoint.folder / "stream.safetensors", stream);
  const Path path = checkpoint.folder / "state.json";
  try {
    from_json(nlohmann::json::parse(read_file(path)), run, optimizer, stream);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kData, "{}: not the state of a run ({}); use an older checkpoint with resume --from STEP",
         path.string(), error.what());
  }
}

}  // namespace pretrain
