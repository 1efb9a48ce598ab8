#include "libs/train/checkpoint_state.h"

#include <algorithm>
#include <limits>

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

nlohmann::json to_json(const std::vector<GuardedStep>& steps) {
  nlohmann::json json = nlohmann::json::array();
  for (const GuardedStep& step : steps) json.push_back({{"step", step.step}, {"batch", step.batch}});
  return json;
}

std::vector<GuardedStep> to_guarded_steps(const nlohmann::json& json) {
  std::vector<GuardedStep> steps;
  for (const auto& entry : json)
    steps.push_back({entry.at("step").get<uint64_t>(), entry.at("batch").get<uint64_t>()});
  return steps;
}

nlohmann::json to_json(const std::optional<StepEvaluation>& evaluation) {
  if (!evaluation) return nullptr;
  return {{"step", evaluation->step},
          {"loss", evaluation->result.loss},
          {"perplexity", evaluation->result.perplexity},
          {"bits_per_byte", evaluation->result.bits_per_byte}};
}

/// JSON has no NaN: such a number was written as null.
double number_of(const nlohmann::json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

std::optional<StepEvaluation> to_evaluation(const nlohmann::json& json) {
  if (json.is_null()) return std::nullopt;
  return StepEvaluation{.step = json.at("step").get<uint64_t>(),
                        .result = {.loss = number_of(json.at("loss")),
                                   .perplexity = number_of(json.at("perplexity")),
                                   .bits_per_byte = number_of(json.at("bits_per_byte"))}};
}

nlohmann::json to_json(const RunState& run, const AdamW& optimizer, const StreamState& stream) {
  return {{"step", run.step},
          {"tokens", run.tokens},
          {"updates", optimizer.updates()},
          {"guard",
           {{"total", run.guard.total},
            {"in_a_row", to_json(run.guard.in_a_row)},
            {"recorded", to_json(run.guard.recorded)}}},
          {"log", {{"segment", run.log.segment}, {"offset_bytes", run.log.offset_bytes}}},
          {"trained_seconds", run.trained_seconds},
          {"evaluation", to_json(run.evaluation)},
          {"stream", stream.scalars}};
}

/// Fields that earlier versions did not write have a default.
void from_json(const nlohmann::json& json, RunState& run, AdamW& optimizer, StreamState& stream) {
  run.step = json.at("step").get<uint64_t>();
  run.tokens = json.at("tokens").get<uint64_t>();
  optimizer.set_updates(json.at("updates").get<uint64_t>());
  const nlohmann::json& guard = json.at("guard");
  run.guard = {.total = guard.at("total").get<uint64_t>(),
               .in_a_row = to_guarded_steps(guard.at("in_a_row")),
               .recorded = to_guarded_steps(guard.value("recorded", nlohmann::json::array()))};
  run.log = {json.at("log").at("segment").get<uint64_t>(), json.at("log").at("offset_bytes").get<uint64_t>()};
  run.trained_seconds = json.at("trained_seconds").get<double>();
  run.evaluation = to_evaluation(json.value("evaluation", nlohmann::json()));
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
