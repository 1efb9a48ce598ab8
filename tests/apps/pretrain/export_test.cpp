// SPDX-License-Identifier: Apache-2.0
// Exports of a recorded checkpoint, without the program around them.

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "apps/pretrain/export_folder.h"
#include "apps/pretrain/export_gguf.h"
#include "apps/pretrain/export_hugging_face.h"
#include "apps/pretrain/model_card.h"
#include "libs/base/half_float.h"
#include "libs/checkpoint/weight_files.h"
#include "libs/gguf/reader.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ModelOutline recorded_model() {
  return open_model_outline(source_folder() / "tests/golden/data/concat/checkpoints/step-000000380");
}

std::vector<float> values_of(const ModelOutline& model, const ParameterInfo& tensor) {
  std::vector<float> values(tensor.size);
  model.weights->read_tensor(tensor, values);
  return values;
}

TEST(ExportToHuggingFace, CutsWeightsIntoFilesOfBoundedSize) {
  const TempFolder folder;
  const ModelOutline model = recorded_model();
  constexpr uint64_t kMost = 1000;
  const auto files = hugging_face_weights(model, ElementType::kBf16, kMost, {});
  write_verified_files(real_file_system(), folder.path(), files);
  const auto index = nlohmann::json::parse(read_file(folder / "model.safetensors.index.json"));
  EXPECT_EQ(index["weight_map"].size(), model.layout->tensors().size());
  EXPECT_EQ(index["metadata"]["total_size"], 2 * model.layout->parameter_count());
  ASSERT_GT(files.size(), 3U);
  for (const ParameterInfo& tensor : model.layout->tensors()) {
    const auto file = SafetensorsFile::open(folder / index["weight_map"][tensor.name].get<std::string>());
    uint64_t bytes = 0;
    for (const auto& [name, info] : file.tensors()) bytes += info.size_bytes;
    EXPECT_TRUE(bytes <= kMost || file.tensors().size() == 1) << bytes;
    std::vector<uint16_t> stored(tensor.size);
    const std::vector<uint64_t> shape(tensor.shape.begin(), tensor.shape.end());
    file.read(tensor.name, DType::kBf16, shape, std::as_writable_bytes(std::span(stored)));
    const std::vector<float> values = values_of(model, tensor);
    for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(stored[i], to_bf16(values[i])) << tensor.name << i;
  }
}

TEST(ExportToHuggingFace, SeveralFilesAreReadAsOneModel) {
  const TempFolder folder;
  const ModelOutline model = recorded_model();
  write_verified_files(real_file_system(), folder.path(),
                       hugging_face_files(model, ElementType::kF32, 1000, {}));
  ASSERT_FALSE(file_exists(folder / "model.safetensors"));
  const ModelOutline read = open_model_outline(folder.path());
  for (const ParameterInfo& tensor : model.layout->tensors())
    EXPECT_EQ(values_of(read, tensor), values_of(model, tensor)) << tensor.name;
}

TEST(ExportToHuggingFace, OneFileHasNoIndex) {
  const ModelOutline model = recorded_model();
  const auto files = hugging_face_weights(model, ElementType::kF32, kMostShardBytes, {});
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(files.front().name, "model.safetensors");
}

TEST(ExportToHuggingFace, StopsWhenAsked) {
  const TempFolder folder;
  const ModelOutline model = recorded_model();
  std::stop_source stop;
  stop.request_stop();
  const Path output = folder / "out";
  EXPECT_THROW(write_export(real_file_system(), output,
                            hugging_face_files(model, ElementType::kF32, kMostShardBytes, stop.get_token())),
               Stopped);
  EXPECT_TRUE(list_folder(folder.path()).empty());
}

TEST(ExportToGguf, HoldsTheTransposedWeights) {
  const TempFolder folder;
  const ModelOutline model = recorded_model();
  write_verified_files(real_file_system(), folder.path(), gguf_files(model, "m", ElementType::kF32, {}));
  const GgufFile file = GgufFile::open(folder / "m.gguf");
  const auto& tensors = model.layout->tensors();
  ASSERT_EQ(file.outline().tensors.size(), tensors.size());
  for (size_t t = 0; t < tensors.size(); ++t) {
    const std::vector<float> ours = values_of(model, tensors[t]);
    std::vector<float> theirs(ours.size());
    file.read(t, theirs);
    const std::string& name = file.outline().tensors[t].name;
    if (name != "blk.0.ffn_up.weight") continue;
    const auto in = static_cast<size_t>(tensors[t].shape[0]);
    const auto out = static_cast<size_t>(tensors[t].shape[1]);
    EXPECT_EQ(file.outline().tensors[t].shape, (std::vector<uint64_t>{out, in}));
    for (size_t i = 0; i < in; ++i) {
      for (size_t o = 0; o < out; ++o) ASSERT_EQ(theirs[o * in + i], ours[i * out + o]);
    }
    return;
  }
  FAIL() << "no blk.0.ffn_up.weight";
}

TEST(ExportFolder, NamesWhatIsInTheWay) {
  const TempFolder folder;
  const auto refusal = [](const Path& output) -> std::string {
    try {
      require_free_output(output);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(folder / "new"), "");
  EXPECT_EQ(refusal(folder / "new/"), "");
  std::filesystem::create_directory(folder / "empty");
  EXPECT_EQ(refusal(folder / "empty"), "");
  EXPECT_THAT(refusal(folder.write("full/file", "x").parent_path()), HasSubstr("not empty"));
  EXPECT_THAT(refusal(folder.write("file", "x")), HasSubstr("a file is there"));
  EXPECT_THAT(refusal(folder / "model.gguf"), HasSubstr("the output is a folder"));
}

/// Whichever call fails, the folder is there whole or not at all, and nothing else is left.
TEST(ExportFolder, IsWholeOrAbsentWhateverFails) {
  const std::vector<FileContent> contents{{.name = "a", .data = "first"}, {.name = "b", .data = "second"}};
  uint64_t calls = 0;
  {
    const TempFolder folder;
    FaultyFileSystem files;
    write_export(files, folder / "out", contents);
    calls = files.call_count();
    EXPECT_TRUE(files.unsynced().empty());
  }
  for (uint64_t call = 1; call <= calls; ++call) {
    const TempFolder folder;
    FaultyFileSystem files;
    files.set_fault({.kind = Fault::Kind::kFail, .code = EIO, .first_call = call});
    EXPECT_THROW(write_export(files, folder / "out", contents), Error) << call;
    const auto left = list_folder(folder.path());
    if (left.empty()) continue;
    ASSERT_EQ(left.size(), 1U) << call;
    EXPECT_EQ(left.front().name, "out") << call;
    EXPECT_EQ(read_file(folder / "out/b"), "second") << call;
  }
}

TEST(ExportFolder, AFlippedBitIsNoticed) {
  const TempFolder folder;
  FaultyFileSystem files;
  files.set_fault({.kind = Fault::Kind::kCorrupt, .first_call = 1, .only = Operation::kWrite});
  const std::vector<FileContent> contents{{.name = "a", .data = "content"}};
  EXPECT_THROW(write_export(files, folder / "out", contents), Error);
  EXPECT_TRUE(list_folder(folder.path()).empty());
}

TEST(ModelCard, TellsWhatTheCheckpointKnows) {
  const ModelOutline model = recorded_model();
  const std::string card = model_card({.model = model, .name = "m", .format = ExportFormat::kGguf});
  EXPECT_THAT(card, AllOf(HasSubstr("380 steps on 12,160 tokens"), HasSubstr("2.9052 nats"),
                          HasSubstr("| bits per byte | 4.1913 |"), HasSubstr("`wiki_00`"),
                          HasSubstr("CC BY-SA 4.0"), HasSubstr("llama-server -m m.gguf")));
  EXPECT_THAT(card, Not(HasSubstr("/tmp")));  // no path of the machine that trained it
  EXPECT_THAT(card, HasSubstr("trained from scratch"));
}

TEST(ModelCard, QuotesTheNameForAShellAndForOllama) {
  const ModelOutline model = recorded_model();
  const std::string card =
      model_card({.model = model, .name = "my model's $(x)", .format = ExportFormat::kGguf});
  EXPECT_THAT(
      card, AllOf(HasSubstr(R"(-m 'my model'\''s $(x).gguf' -c)"), HasSubstr("ollama run my-model-s---x- ")));
}

TEST(ModelCard, NamesTheModelThatTrainingBeganWith) {
  ModelOutline model = recorded_model();
  model.place.checkpoint->manifest.configuration["init-from"] = "/home/me/models/some-model/";
  const std::string started = model_card({.model = model, .name = "m", .format = ExportFormat::kHuggingFace});
  EXPECT_THAT(started,
              AllOf(HasSubstr("the weights of `some-model`"), HasSubstr("licence"), Not(HasSubstr("/home"))));
  const ModelOutline foreign = open_model_outline(source_folder() / "tests/golden/data/llama");
  EXPECT_THAT(model_card({.model = foreign, .name = "m", .format = ExportFormat::kGguf}),
              Not(HasSubstr("from scratch")));
}

}  // namespace
}  // namespace pretrain::test
