// SPDX-License-Identifier: Apache-2.0
#include "tests/libs/train/train_testing.h"

#include <algorithm>
#include <sstream>

#include "libs/base/rng.h"
#include "libs/model/initialization.h"

namespace pretrain::test {

ModelConfig tiny_model() {
  return {.layers = 1, .d_model = 16, .heads = 2, .d_ff = 32, .vocabulary = kPoisonToken + 1, .context = 8};
}

Batch random_batch(const ModelConfig& model, int64_t rows, uint64_t seed, uint64_t masked_in) {
  Batch batch{.number = seed, .rows = rows, .context = model.context};
  Rng rng(seed);
  for (int64_t i = 0; i < rows * model.context; ++i) {
    batch.inputs.push_back(static_cast<uint32_t>(rng.below(kPoisonToken)));
    const bool masked = masked_in > 0 && rng.below(masked_in) == 0;
    batch.targets.push_back(masked ? -1 : static_cast<int32_t>(rng.below(kPoisonToken)));
  }
  finish_batch(batch);
  return batch;
}

Batch joined(const Batch& a, const Batch& b) {
  Batch batch = a;
  batch.rows += b.rows;
  batch.inputs.insert(batch.inputs.end(), b.inputs.begin(), b.inputs.end());
  batch.targets.insert(batch.targets.end(), b.targets.begin(), b.targets.end());
  finish_batch(batch);
  return batch;
}

FakeSource::FakeSource(const ModelConfig& model, FakeSourceOptions options, const StreamState* state)
    : model_(model), options_(std::move(options)) {
  if (options_.when_opened) options_.when_opened();
  if (state != nullptr) next_ = state->scalars.at("next").get<uint64_t>();
}

std::optional<Batch> FakeSource::next(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Stopped();
  if (options_.fails_at && next_ >= *options_.fails_at) fail(ErrorKind::kData, "shard x changed");
  if (next_ >= options_.batches) return std::nullopt;
  if (options_.before_batch) options_.before_batch(next_);
  Batch batch = random_batch(model_, options_.rows, options_.same_batch ? 0 : next_);
  batch.number = next_;
  batch.epoch = static_cast<uint32_t>(next_ / options_.batches_in_epoch);
  if (options_.poisoned.contains(next_)) batch.inputs[3] = kPoisonToken;
  ++next_;
  return batch;
}

void FakeSource::give_back(std::vector<Batch> batches) {
  for (size_t i = 0; i < batches.size(); ++i) EXPECT_EQ(batches[i].number, next_ - batches.size() + i);
  next_ -= batches.size();
}

StreamState FakeSource::state(const std::stop_token&) {
  if (options_.state_fails_too && options_.fails_at && next_ >= *options_.fails_at)
    throw std::runtime_error("no state");
  StreamState state{.scalars = {{"next", next_}}};
  state.arrays.push_back(
      {.name = "tokens", .element_bytes = 2, .shape = {2}, .bytes = std::vector<std::byte>(4)});
  return state;
}

TestRun::TestRun() {
  const Batch batch = random_batch(model, 5, 1000);
  evaluation = {.context = static_cast<uint32_t>(model.context),
                .inputs = batch.inputs,
                .targets = batch.targets,
                .target_count = batch.target_count,
                .target_bytes = 3 * batch.target_count};
}

RunSummary TestRun::train(TrainerOptions options) {
  const tbb::global_control more_threads(tbb::global_control::max_allowed_parallelism, 8);
  Compute compute(threads);
  CheckpointStore store(files, folder_.path(), {.keep = keep});
  FmaPeak peak(compute, options.precision);
  Trainer trainer(
      {.compute = compute,
       .model = model,
       .files = files,
       .state_folder = folder_.path(),
       .store = store,
       .evaluation = as_set(evaluation),
       .fixed_files = {{.name = "config.json", .data = std::string("{}")}},
       .configuration = {{"seed", 1}},
       .fingerprint = {{"processor", "any"}},
       .peak = peak,
       .open_source =
           [this](const StreamState* state) { return std::make_unique<FakeSource>(model, source, state); },
       .observers = {&observer},
       .stop = stop.get_token(),
       .take_save_request = take_save_request,
       .write_samples =
           [](uint64_t step, const float*) {
             return std::vector<Sample>{{.step = step, .prompt = "a", .text = " b", .seconds = 0.5}};
           },
       .control = control,
       .probe = probe,
       .open_step_maker = open_step_maker,
       .fix_steps = fix_steps,
       .clock = clock},
      options);
  if (const auto checkpoint = store.newest_verified()) {
    trainer.load(*checkpoint);
  } else {
    trainer.initialize(1);
  }
  const auto keep_parameters = [&] {
    parameters_.assign(trainer.parameters(), trainer.parameters() + trainer.layout().flat_size());
  };
  try {
    const RunSummary summary = trainer.run();
    keep_parameters();
    return summary;
  } catch (...) {
    keep_parameters();
    throw;
  }
}

// The embedding of the token is so large that the mean of its row overflows, which makes the norm after it
// NaN. The bias of the last norm makes each other row's logit of the token -infinity: probability and
// gradient 0.
void TestRun::poison() {
  Compute compute(1);
  const ParameterLayout layout(model);
  Buffer<float> parameters(layout.flat_size());
  initialize_parameters(compute, layout, 1, parameters.data());
  const auto C = static_cast<size_t>(model.d_model);
  std::fill_n(parameters.data() + layout.embedding().tokens + kPoisonToken * C, C, -3e38F);
  std::fill_n(parameters.data() + *layout.head().norm.bias, C, 10.0F);
  CheckpointStore store(files, folder_.path(), {});
  store.save({.step = 0, .files = content({}, layout, parameters.data())});
}

void TestRun::save_between_bad_steps(uint64_t step, const std::vector<GuardedStep>& bad_steps) {
  RunState state{.step = step};
  state.log.offset_bytes =
      ReadableFile(folder_ / "metrics.jsonl").size();  // saved after all that is recorded
  state.guard.total = bad_steps.size();
  state.guard.in_a_row = bad_steps;
  const ParameterLayout layout(model);
  CheckpointStore store(files, folder_.path(), {.keep = keep});
  store.save({.step = step, .files = content(state, layout, parameters_.data())});
}

void TestRun::save_without_optimizer(uint64_t step) {
  const ParameterLayout layout(model);
  const std::vector<float> zeros(layout.flat_size());
  auto whole = content({.step = step}, layout, zeros.data());
  std::erase_if(whole, [](const FileContent& file) { return file.name == "optimizer.safetensors"; });
  CheckpointStore store(files, folder_.path(), {.keep = keep});
  store.save({.step = step, .files = std::move(whole)});
}

std::vector<FileContent> TestRun::content(const RunState& state, const ParameterLayout& layout,
                                          const float* parameters) {
  Compute compute(1);
  saved_optimizer_ = std::make_unique<OptimizerSet>(compute, layout, make_optimizers(layout, optimizer));
  saved_stream_ = {.scalars = {{"next", state.step}}};
  return checkpoint_files(state, layout, parameters, *saved_optimizer_, saved_stream_);
}

std::vector<uint64_t> TestRun::checkpoint_steps() const {
  std::vector<uint64_t> steps;
  for (const CheckpointEntry& entry : list_checkpoints(folder_.path())) steps.push_back(entry.step);
  return steps;
}

std::vector<std::string> TestRun::newest_hashes() const {
  const auto checkpoint = find_newest_verified(folder_.path());
  std::vector<std::string> hashes;
  for (const ManifestFile& file : checkpoint->manifest.files) {
    if (file.name.ends_with(".safetensors")) hashes.push_back(file.name + " " + file.hash);
  }
  return hashes;
}

std::vector<nlohmann::json> TestRun::log() const {
  std::vector<nlohmann::json> records;
  std::istringstream lines(read_file(folder_ / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) records.push_back(nlohmann::json::parse(line));
  return records;
}

TrainerOptions steps_only(uint64_t steps) {
  return {.max_steps = steps,
          .schedule = {.peak = 3e-3, .warmup_steps = 4},
          .checkpoint_interval = std::chrono::milliseconds(0),
          .evaluate_every = 0,
          .micro_rows = 2};
}

}  // namespace pretrain::test
