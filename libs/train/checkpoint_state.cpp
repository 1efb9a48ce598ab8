// SPDX-License-Identifier: Apache-2.0
#include "libs/train/checkpoint_state.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/base/json.h"
#include "libs/base/units.h"
#include "libs/checkpoint/safetensors.h"

namespace pretrain {
namespace {

std::vector<uint64_t> file_shape(const std::vector<int64_t>& shape) {
  return {shape.begin(), shape.end()};
}

TensorSource tensor_view(const std::string& name, const std::vector<int64_t>& shape,
                         std::span<const float> values) {
  return {.name = name, .dtype = DType::kF32, .shape = file_shape(shape), .data = std::as_bytes(values)};
}

std::vector<TensorSource> parameter_views(const ParameterLayout& layout, const float* parameters) {
  std::vector<TensorSource> views;
  for (const ParameterInfo& tensor : layout.tensors())
    views.push_back(tensor_view(tensor.name, tensor.shape, {parameters + tensor.offset, tensor.size}));
  return views;
}

std::vector<TensorSource> optimizer_views(const OptimizerSet& optimizer) {
  std::vector<TensorSource> views;
  for (const OptimizerSet::State& state : optimizer.state())
    views.push_back(tensor_view(state.tensor.name, state.tensor.shape, state.values));
  return views;
}

void read_tensor(const SafetensorsFile& file, const std::string& name, const std::vector<int64_t>& shape,
                 std::span<float> values) {
  file.read_finite(name, DType::kF32, file_shape(shape), std::as_writable_bytes(values));
}

void read_parameters(const Path& path, const ParameterLayout& layout, float* parameters) {
  const SafetensorsFile file = SafetensorsFile::open(path, Links::kRefuse);
  std::fill_n(parameters, layout.flat_size(), 0.0F);  // the padding between tensors too
  for (const ParameterInfo& tensor : layout.tensors())
    read_tensor(file, tensor.name, tensor.shape, {parameters + tensor.offset, tensor.size});
}

/// The state of optimizers from their file.
class OptimizerFile {
 public:
  explicit OptimizerFile(const Path& path)
      : path_(path), file_(SafetensorsFile::open(path, Links::kRefuse)) {}

  void read(const StateTensor& tensor, std::span<float> values) const {
    read_tensor(file_, tensor.name, tensor.shape, values);
    if (tensor.may_be_negative) return;
    const auto negative = std::ranges::find_if(values, [](float value) { return value < 0; });
    if (negative == values.end()) return;
    fail(ErrorKind::kData, "{}: {} is negative at element {}; use an older checkpoint", path_.string(),
         tensor.name, negative - values.begin());
  }

 private:
  Path path_;
  SafetensorsFile file_;
};

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

/// Far more than a run records before it stops; bounds the memory for a malicious file.
constexpr size_t kMostGuardedSteps = 100'000;

std::vector<GuardedStep> to_guarded_steps(const JsonField& list) {
  std::vector<GuardedStep> steps;
  for (const JsonField& entry : list.elements(kMostGuardedSteps)) {
    steps.push_back({entry.at("step").count(), entry.at("batch").count()});
  }
  return steps;
}

nlohmann::json to_json(const std::optional<StepEvaluation>& evaluation) {
  if (!evaluation) return nullptr;
  return {{"step", evaluation->step},
          {"loss", evaluation->result.loss},
          {"perplexity", evaluation->result.perplexity},
          {"bits_per_byte", evaluation->result.bits_per_byte}};
}

/// JSON has no NaN, so it was written as null.
double number_of(const JsonField& field) {
  return field.is_null() ? std::numeric_limits<double>::quiet_NaN() : field.number();
}

std::optional<StepEvaluation> to_evaluation(const std::optional<JsonField>& field) {
  if (!field || field->is_null()) return std::nullopt;
  return StepEvaluation{.step = field->at("step").count(),
                        .result = {.loss = number_of(field->at("loss")),
                                   .perplexity = number_of(field->at("perplexity")),
                                   .bits_per_byte = number_of(field->at("bits_per_byte"))}};
}

nlohmann::json to_json(const RunState& run, const OptimizerSet& optimizer, const StreamState& stream) {
  return {{"step", run.step},
          {"tokens", run.tokens},
          {"updates", optimizer.updates()},
          {"guard",
           {{"total", run.guard.total},
            {"in_a_row", to_json(run.guard.in_a_row)},
            {"recorded", to_json(run.guard.recorded)}}},
          {"log", {{"segment", run.log.segment}, {"offset_bytes", run.log.offset_bytes}}},
          {"trained_seconds", run.trained_seconds},
          {"spent_seconds", run.spent_seconds},
          {"start_seconds", run.start_seconds},
          {"skip_steps", run.skips.to_json()},
          {"first_evaluation", to_json(run.first_evaluation)},
          {"evaluation", to_json(run.evaluation)},
          {"machines_state", run.machines_state != 0 ? nlohmann::json(hex64(run.machines_state)) : nullptr},
          {"stream", stream.scalars}};
}

uint64_t to_state_id(const JsonField& field) {
  constexpr size_t kDigits = 16;
  const std::string text = field.text(kDigits);
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (error != std::errc() || end != text.data() + text.size() || text.size() != kDigits)
    field.fail_because("is not a number of 16 hexadecimal digits");
  return id;
}

NonFiniteGuard to_guard(const JsonField& field) {
  NonFiniteGuard guard;
  guard.total = field.at("total").count();
  guard.in_a_row = to_guarded_steps(field.at("in_a_row"));
  // Earlier versions did not write it.
  if (const auto recorded = field.find("recorded")) guard.recorded = to_guarded_steps(*recorded);
  return guard;
}

double to_seconds(const JsonField& field) {
  if (field.number() < 0) field.fail_because("is negative");
  return field.number();
}

/// Each key is checked and named in errors: state.json is the only file of a checkpoint that a user may edit.
RunState to_run(const JsonField& json, uint64_t step) {
  constexpr uint64_t kMostSegments = 1'000'000'000;
  RunState run;
  run.step = json.at("step").count();
  run.tokens = json.at("tokens").count();
  if (run.step != step) json.at("step").fail_because(fmt::format("is not the checkpoint's, {}", step));
  run.guard = to_guard(json.at("guard"));
  const JsonField log = json.at("log");
  run.log = {log.at("segment").count(kMostSegments), log.at("offset_bytes").count()};
  run.trained_seconds = to_seconds(json.at("trained_seconds"));
  // Earlier versions did not write these.
  if (const auto spent = json.find("spent_seconds")) run.spent_seconds = to_seconds(*spent);
  if (const auto start = json.find("start_seconds")) run.start_seconds = to_seconds(*start);
  if (const auto skips = json.find("skip_steps")) run.skips = SkipRanges::from_json(*skips);
  run.first_evaluation = to_evaluation(json.find("first_evaluation"));
  run.evaluation = to_evaluation(json.find("evaluation"));
  if (const auto id = json.find("machines_state"); id && !id->is_null())
    run.machines_state = to_state_id(*id);
  return run;
}

// state.json includes the catalog of the corpus: 130 bytes and seven values for each file. Allows a million
// files.
constexpr JsonLimits kStateLimits{.bytes = 512_MiB, .depth = 32, .values = 32'000'000};

/// Accepts any array here: the loader knows the names and checks them when it restores the stream.
void read_stream(const Path& path, StreamState& stream) {
  const SafetensorsFile file = SafetensorsFile::open(path, Links::kRefuse);
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

/// Earlier versions wrote fewer keys, so new ones are optional; a key that is present must be valid.
SavedNumbers parse_state(std::string_view text, const std::string& file, uint64_t step) {
  nlohmann::json json;
  try {
    json = parse_json(text, kStateLimits);
  } catch (const Error& error) {
    fail(ErrorKind::kData, "{}: {}; use an older checkpoint", file, error.what());
  }
  const JsonField state(json, file, "use an older checkpoint");
  return {.run = to_run(state, step),
          .updates = state.at("updates").count(),
          .stream = state.at("stream").object()};
}

SavedNumbers saved_numbers_of(const Path& path, uint64_t step) {
  return parse_state(read_file(path, kStateLimits.bytes, Links::kRefuse), path.string(), step);
}

bool is_of_a_run_in_trouble(const Path& checkpoint_folder) {
  const auto step = checkpoint_step(checkpoint_folder.filename().native());
  return step && !saved_numbers_of(checkpoint_folder / "state.json", *step).run.guard.in_a_row.empty();
}

std::vector<FileContent> checkpoint_files(const RunState& run, const ParameterLayout& layout,
                                          const float* parameters, const OptimizerSet& optimizer,
                                          const StreamState& stream) {
  std::vector<FileContent> files;
  files.push_back({.name = "model.safetensors",
                   .data = parameter_views(layout, parameters),
                   .metadata = {{"format", "pt"}},
                   .must_be_finite = true});
  files.push_back(
      {.name = "optimizer.safetensors", .data = optimizer_views(optimizer), .must_be_finite = true});
  files.push_back({.name = "stream.safetensors", .data = stream_views(stream)});
  files.push_back({.name = "state.json", .data = to_json(run, optimizer, stream).dump(1) + "\n"});
  return files;
}

void load_parameters(const Path& checkpoint_folder, const ParameterLayout& layout, float* parameters) {
  read_parameters(checkpoint_folder / "model.safetensors", layout, parameters);
}

namespace {

/// Reads all but the state of the optimizers, and returns the number of updates. Each file is opened through
/// the manifest's list, so that only verified files are read.
uint64_t load_run(const Checkpoint& checkpoint, const ParameterLayout& layout, float* parameters,
                  RunState& run, StreamState& stream) {
  read_parameters(file_of(checkpoint, "model.safetensors"), layout, parameters);
  read_stream(file_of(checkpoint, "stream.safetensors"), stream);
  SavedNumbers numbers = saved_numbers_of(file_of(checkpoint, "state.json"), checkpoint.step);
  run = std::move(numbers.run);
  stream.scalars = std::move(numbers.stream);
  return numbers.updates;
}

}  // namespace

void load_checkpoint(const Checkpoint& checkpoint, const ParameterLayout& layout, float* parameters,
                     OptimizerSet& optimizer, RunState& run, StreamState& stream) {
  optimizer.set_updates(load_run(checkpoint, layout, parameters, run, stream));
  const OptimizerFile file(file_of(checkpoint, "optimizer.safetensors"));
  for (const OptimizerSet::State& state : optimizer.state()) file.read(state.tensor, state.values);
}

void load_without_optimizer(const Checkpoint& checkpoint, const ParameterLayout& layout, float* parameters,
                            RunState& run, StreamState& stream) {
  load_run(checkpoint, layout, parameters, run, stream);
}

StreamState check_checkpoint(const Checkpoint& checkpoint, const ParameterLayout& layout,
                             const Optimizers& optimizers) {
  std::vector<float> values;  // of one tensor
  const SafetensorsFile model =
      SafetensorsFile::open(file_of(checkpoint, "model.safetensors"), Links::kRefuse);
  for (const ParameterInfo& tensor : layout.tensors()) {
    values.resize(tensor.size);
    read_tensor(model, tensor.name, tensor.shape, values);
  }
  const OptimizerFile file(file_of(checkpoint, "optimizer.safetensors"));
  for (const auto& optimizer : optimizers) {
    for (const StateTensor& tensor : optimizer->state_tensors()) {
      values.resize(tensor.size());
      file.read(tensor, values);
    }
  }
  StreamState stream;
  read_stream(file_of(checkpoint, "stream.safetensors"), stream);
  stream.scalars = saved_numbers_of(file_of(checkpoint, "state.json"), checkpoint.step).stream;
  return stream;
}

}  // namespace pretrain
