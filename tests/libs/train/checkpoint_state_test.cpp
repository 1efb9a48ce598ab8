// SPDX-License-Identifier: Apache-2.0
#include "libs/train/checkpoint_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "libs/base/rng.h"
#include "libs/checkpoint/store.h"
#include "tests/libs/train/train_testing.h"
#include "tests/support/sgd.h"

namespace pretrain {
namespace {

using test::contains;
using test::error_of;

/// Everything a checkpoint holds, with values that differ from place to place.
struct SavedRun {
  explicit SavedRun(const ModelConfig& config = test::tiny_model())
      : SavedRun(config, make_optimizers(ParameterLayout(config), {})) {}
  SavedRun(const ModelConfig& config, Optimizers optimizers)
      : layout(config), parameters(layout.flat_size()), optimizer(compute, layout, std::move(optimizers)) {
    std::fill_n(parameters.data(), parameters.size(), 0.0F);
  }
  void fill() {
    Rng rng(1);
    for (const ParameterInfo& tensor : layout.tensors()) {
      for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
        parameters[i] = static_cast<float>(rng.normal());
      }
    }
    for (const OptimizerSet::State& state : optimizer.state()) {
      for (float& value : state.values)
        value = static_cast<float>(state.tensor.may_be_negative ? rng.normal() : rng.uniform());
    }
    optimizer.set_updates(41);
    numbers = {
        .step = 42, .tokens = 12345678901, .log = {.segment = 3, .offset_bytes = 99}, .trained_seconds = 0.1};
    numbers.guard = {.total = 7, .in_a_row = {{41, 80}, {42, 81}}};
    stream.scalars = {{"position", {1, 2}}, {"rng", UINT64_MAX}};
    for (const uint32_t width : {2U, 4U}) {
      StreamState::Array array{
          .name = "ids" + std::to_string(width), .element_bytes = width, .shape = {3, 5}};
      for (size_t i = 0; i < 15 * size_t{width}; ++i) array.bytes.push_back(static_cast<std::byte>(7 * i));
      stream.arrays.push_back(std::move(array));
    }
    stream.arrays.push_back({.name = "none", .element_bytes = 4, .shape = {0, 9}});
  }
  std::vector<FileContent> files() {
    return checkpoint_files(numbers, layout, parameters.data(), optimizer, stream);
  }
  void load(const Checkpoint& checkpoint) {
    load_checkpoint(checkpoint, layout, parameters.data(), optimizer, numbers, stream);
  }

  Compute compute{1};
  ParameterLayout layout;
  Buffer<float> parameters;
  OptimizerSet optimizer;
  RunState numbers;
  StreamState stream;
};

/// Saves these files through a store and returns what it verified.
Checkpoint saved(const test::TempFolder& folder, std::vector<FileContent> files) {
  CheckpointStore store(real_file_system(), folder.path(), {});
  store.save({.step = 42, .files = std::move(files)});
  return verify_checkpoint(checkpoints_folder(folder.path()) / checkpoint_name(42));
}

bool same_bits(const Buffer<float>& a, const Buffer<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool same_state(const OptimizerSet& a, const OptimizerSet& b) {
  const auto same = [](const OptimizerSet::State& x, const OptimizerSet::State& y) {
    return x.tensor.name == y.tensor.name && x.values.size() == y.values.size() &&
           std::memcmp(x.values.data(), y.values.data(), x.values.size_bytes()) == 0;
  };
  return std::ranges::equal(a.state(), b.state(), same);
}

TEST(CheckpointState, BringsEverythingBackBitForBit) {
  const test::TempFolder folder;
  SavedRun run;
  run.fill();
  SavedRun loaded;
  loaded.load(saved(folder, run.files()));
  EXPECT_TRUE(same_bits(loaded.parameters, run.parameters));
  EXPECT_FALSE(same_state(SavedRun().optimizer, run.optimizer));
  EXPECT_TRUE(same_state(loaded.optimizer, run.optimizer));
  EXPECT_EQ(loaded.optimizer.updates(), 41U);
  EXPECT_EQ(loaded.numbers.step, 42U);
  EXPECT_EQ(loaded.numbers.tokens, 12345678901U);
  EXPECT_EQ(loaded.numbers.log.segment, 3U);
  EXPECT_EQ(loaded.numbers.log.offset_bytes, 99U);
  EXPECT_EQ(loaded.numbers.trained_seconds, 0.1);
  EXPECT_EQ(loaded.numbers.guard.total, 7U);
  ASSERT_EQ(loaded.numbers.guard.in_a_row.size(), 2U);
  EXPECT_EQ(loaded.numbers.guard.in_a_row[1].step, 42U);
  EXPECT_EQ(loaded.numbers.guard.in_a_row[1].batch, 81U);
}

TEST(CheckpointState, BringsTheStreamBack) {
  const test::TempFolder folder;
  SavedRun run;
  run.fill();
  SavedRun loaded;
  loaded.stream.arrays.push_back({.name = "left from before"});
  loaded.load(saved(folder, run.files()));
  EXPECT_EQ(loaded.stream.scalars, run.stream.scalars);
  ASSERT_EQ(loaded.stream.arrays.size(), 3U);
  for (const StreamState::Array& expected : run.stream.arrays) {
    const auto found = std::ranges::find(loaded.stream.arrays, expected.name, &StreamState::Array::name);
    ASSERT_NE(found, loaded.stream.arrays.end()) << expected.name;
    EXPECT_EQ(found->element_bytes, expected.element_bytes);
    EXPECT_EQ(found->shape, expected.shape);
    EXPECT_EQ(found->bytes, expected.bytes);
  }
}

TEST(CheckpointState, BringsTheStateOfOtherOptimizersBackBitForBit) {
  for (const float momentum : {0.0F, 0.5F}) {
    const test::TempFolder folder;
    const ModelConfig config = test::tiny_model();
    const auto optimizers = [&] { return test::sgd_and_adamw(ParameterLayout(config), momentum); };
    SavedRun run(config, optimizers());
    run.fill();
    const Checkpoint checkpoint = saved(folder, run.files());
    SavedRun loaded(config, optimizers());
    loaded.load(checkpoint);
    EXPECT_TRUE(same_state(loaded.optimizer, run.optimizer)) << momentum;
    EXPECT_EQ(loaded.optimizer.updates(), 41U);
    EXPECT_NO_THROW(check_checkpoint(checkpoint, run.layout, optimizers()));
  }
}

TEST(CheckpointState, AStateOfAnotherOptimizerIsADataErrorThatNamesWhatIsMissing) {
  const test::TempFolder folder;
  SavedRun run;
  run.fill();
  const Checkpoint checkpoint = saved(folder, run.files());
  const ModelConfig config = test::tiny_model();
  const auto optimizers = [&] { return test::sgd_and_adamw(ParameterLayout(config), 0.5F); };
  SavedRun other(config, optimizers());
  for (const auto& error : {error_of([&] { other.load(checkpoint); }), error_of([&] {
                              (void)check_checkpoint(checkpoint, run.layout, optimizers());
                            })}) {
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->kind(), ErrorKind::kData);
    EXPECT_TRUE(contains(error, "momentum.transformer.wte.weight")) << error->what();
  }
}

TEST(CheckpointState, ParametersComeAlone) {
  const test::TempFolder folder;
  SavedRun run;
  run.fill();
  const Checkpoint checkpoint = saved(folder, run.files());
  Buffer<float> parameters(run.layout.flat_size());
  load_parameters(checkpoint.folder, run.layout, parameters.data());
  EXPECT_TRUE(same_bits(parameters, run.parameters));
}

TEST(CheckpointState, AMissingTensorIsADataErrorThatNamesIt) {
  for (const size_t file : {0U, 1U}) {  // model and moments
    const test::TempFolder folder;
    SavedRun run;
    run.fill();
    std::vector<FileContent> files = run.files();
    auto& tensors = std::get<std::vector<TensorSource>>(files[file].data);
    const std::string missing = tensors.back().name;
    tensors.pop_back();
    const Checkpoint checkpoint = saved(folder, std::move(files));
    SavedRun loaded;
    const auto error = error_of([&] { loaded.load(checkpoint); });
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->kind(), ErrorKind::kData);
    EXPECT_TRUE(contains(error, missing)) << error->what();
  }
}

TEST(CheckpointState, AnotherModelsShapeIsADataError) {
  const test::TempFolder folder;
  SavedRun run;
  run.fill();
  const Checkpoint checkpoint = saved(folder, run.files());
  ModelConfig wider = test::tiny_model();
  wider.d_ff += 4;
  SavedRun other(wider);
  const auto error = error_of([&] { other.load(checkpoint); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kData);
  EXPECT_TRUE(contains(error, "mlp.c_fc.weight")) << error->what();
}

TEST(CheckpointState, AStateThatIsNoneIsADataError) {
  for (const std::string text : {"", "{}", "[1]", "{\"step\": \"x\"}"}) {
    const test::TempFolder folder;
    SavedRun run;
    run.fill();
    std::vector<FileContent> files = run.files();
    ASSERT_EQ(files[3].name, "state.json");
    files[3].data = text;
    const Checkpoint checkpoint = saved(folder, std::move(files));
    const auto error = error_of([&] { run.load(checkpoint); });
    ASSERT_TRUE(error.has_value()) << text;
    EXPECT_EQ(error->kind(), ErrorKind::kData);
    EXPECT_TRUE(contains(error, "state.json")) << error->what();
  }
}

/// Saves a run whose files `change` has changed and returns the error of loading it.
std::string refusal_of(const std::function<void(std::vector<FileContent>&)>& change) {
  const test::TempFolder folder;
  SavedRun run;
  run.fill();
  std::vector<FileContent> files = run.files();
  for (FileContent& file : files) file.must_be_finite = false;
  change(files);
  const Checkpoint checkpoint = saved(folder, std::move(files));
  const auto error = error_of([&] { run.load(checkpoint); });
  if (!error) return "no error";
  EXPECT_EQ(error->kind(), ErrorKind::kData) << error->what();
  return error->what();
}

/// The same with another value at a place of state.json.
std::string refusal_of_state(const std::string& place, const std::string& value) {
  return refusal_of([&](std::vector<FileContent>& files) {
    auto& text = std::get<std::string>(files.at(3).data);
    nlohmann::json state = nlohmann::json::parse(text);
    constexpr const char* kMark = "the value goes here";
    state[nlohmann::json::json_pointer(place)] = kMark;
    text = state.dump();
    const std::string mark = fmt::format("\"{}\"", kMark);
    text.replace(text.find(mark), mark.size(), value);
  });
}

TEST(CheckpointState, NumbersThatAreNoneAreToldByFileAndKey) {
  for (const char* place : {"/step", "/tokens", "/updates", "/guard/total", "/guard/in_a_row/0/step",
                            "/guard/in_a_row/1/batch", "/log/segment", "/log/offset_bytes"}) {
    std::string key = place + 1;
    std::ranges::replace(key, '/', '.');
    if (key.ends_with("step") && key != "step") key = "guard.in_a_row[0].step";
    if (key.ends_with("batch")) key = "guard.in_a_row[1].batch";
    for (const char* value :
         {"-1", "1.5", "\"7\"", "null", "true", "[]", "{}", "1e300", "18446744073709551615"}) {
      const std::string refusal = refusal_of_state(place, value);
      EXPECT_NE(refusal.find("state.json: '" + key + "' is not"), std::string::npos)
          << value << ": " << refusal;
    }
  }
}

TEST(CheckpointState, OtherFieldsAreCheckedAgainstWhatTheyCanBe) {
  const std::vector<std::pair<const char*, const char*>> changes = {{"/step", "41"},
                                                                    {"/trained_seconds", "-1"},
                                                                    {"/trained_seconds", "\"x\""},
                                                                    {"/evaluation", "7"},
                                                                    {"/evaluation", "{}"},
                                                                    {"/stream", "[]"},
                                                                    {"/stream", "null"},
                                                                    {"/guard", "[]"},
                                                                    {"/log", "null"},
                                                                    {"/guard/in_a_row", "{}"},
                                                                    {"/guard/in_a_row/0", "null"},
                                                                    {"/guard/recorded", "3"}};
  for (const auto& [place, value] : changes) {
    const std::string refusal = refusal_of_state(place, value);
    EXPECT_NE(refusal.find("state.json: '"), std::string::npos) << place << " " << value << ": " << refusal;
  }
  EXPECT_NE(refusal_of_state("/stream", std::string(200'000, '[')).find("nested more than"),
            std::string::npos);
}

TEST(CheckpointState, NonFiniteParametersAndMomentsAreRefusedWithTheirName) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    for (const size_t file : {0U, 1U}) {
      std::vector<float> values;
      std::string name;
      const std::string refusal = refusal_of([&](std::vector<FileContent>& files) {
        TensorSource& tensor = std::get<std::vector<TensorSource>>(files.at(file).data).back();
        values.resize(tensor.data.size() / sizeof(float));
        values.at(3) = bad;
        tensor.data = std::as_bytes(std::span(values));
        name = tensor.name;
      });
      EXPECT_NE(refusal.find(name + " is not finite at element 3"), std::string::npos) << refusal;
    }
  }
}

TEST(CheckpointState, ANegativeSecondMomentIsRefused) {
  std::vector<float> values;
  std::string name;
  const std::string refusal = refusal_of([&](std::vector<FileContent>& files) {
    TensorSource& tensor = std::get<std::vector<TensorSource>>(files.at(1).data).back();
    name = tensor.name;
    ASSERT_TRUE(name.starts_with("v."));
    values.resize(tensor.data.size() / sizeof(float));
    values.front() = -1;
    tensor.data = std::as_bytes(std::span(values));
  });
  EXPECT_NE(refusal.find(name + " is negative at element 0"), std::string::npos) << refusal;
}

TEST(CheckpointState, FilesThatTheManifestDoesNotListAreNotRead) {
  for (const size_t file : {0U, 1U, 2U, 3U}) {
    const test::TempFolder folder;
    SavedRun run;
    run.fill();
    std::vector<FileContent> files = run.files();
    const std::string name = files.at(file).name;
    files.erase(files.begin() + static_cast<std::ptrdiff_t>(file));
    const Checkpoint checkpoint = saved(folder, std::move(files));
    folder.write("other", "");
    std::filesystem::create_symlink(folder / "other", checkpoint.folder / name);
    const auto error = error_of([&] { run.load(checkpoint); });
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->kind(), ErrorKind::kData);
    EXPECT_TRUE(contains(error, "does not list " + name)) << error->what();
  }
}

TEST(CheckpointState, NonFiniteParametersAndMomentsAreNeverSaved) {
  SavedRun run;
  run.fill();
  for (float* const place : {&run.parameters[5], &run.optimizer.state().front().values[5],
                             &run.optimizer.state().back().values[5]}) {
    const test::TempFolder folder;
    const float kept = std::exchange(*place, std::numeric_limits<float>::quiet_NaN());
    CheckpointStore store(real_file_system(), folder.path(), {});
    const auto error = error_of([&] { store.save({.step = 42, .files = run.files()}); });
    EXPECT_TRUE(error.has_value());
    EXPECT_TRUE(store.list().empty());
    *place = kept;
  }
}

}  // namespace
}  // namespace pretrain
