// SPDX-License-Identifier: Apache-2.0
// Models that were handed on: without what a run needs, as other programs save them, and what is refused.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/file.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

/// One short run for all tests; its state folder is only read.
class ModelFolder : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempFolder>();
    const auto result = run_program(binary(), tiny_run(state()) + Words{"--steps", "20"});
    ASSERT_EQ(result.exit_code, 0) << result.output;
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static fs::path state() { return *shared_ / "state"; }
  static fs::path checkpoint() { return checkpoints_folder(state()) / checkpoint_name(20); }

  void SetUp() override {
    fs::create_directory(model_);
    for (const char* name : {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
                             "tokenizer.model", "tokenizer_config.json"}) {
      fs::copy_file(checkpoint() / name, model_ / name);
    }
  }

  ProgramResult generate(const fs::path& folder) const {
    return run_program(binary(),
                       {"generate", "--checkpoint", folder.string(), "--tokens", "20", "--seed", "3"});
  }
  ProgramResult evaluate(const fs::path& folder) const {
    return run_program(
        binary(), {"eval", "--checkpoint", folder.string(), "--corpus", sample_corpus(), "--tokens", "500"});
  }
  void edit_config(const std::string& key, const nlohmann::json& value) const {
    auto config = nlohmann::json::parse(read_file(model_ / "config.json"));
    config[key] = value;
    temp_.write("model/config.json", config.dump());
  }

  inline static std::unique_ptr<TempFolder> shared_;
  const TempFolder temp_;
  const fs::path model_ = temp_ / "model";
};

TEST_F(ModelFolder, WithoutARunGeneratesAndEvaluatesLikeItsCheckpoint) {
  const auto generated = generate(model_);
  EXPECT_EQ(generated.exit_code, 0) << generated.output;
  EXPECT_EQ(generated.output, generate(checkpoint()).output);
  const auto loss_of = [](const ProgramResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return result.output.substr(std::min(result.output.find("loss "), result.output.size()));
  };
  EXPECT_EQ(loss_of(evaluate(model_)), loss_of(evaluate(checkpoint())));
  EXPECT_THAT(evaluate(model_).output, HasSubstr("model " + model_.string()));
}

TEST_F(ModelFolder, WithoutARunIsInspected) {
  const auto result = run_program(binary(), {"inspect", model_.string()});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, AllOf(HasSubstr("no manifest"), HasSubstr("parameters"), HasSubstr("pieces")));
  fs::resize_file(model_ / "model.safetensors", 500);
  EXPECT_EQ(run_program(binary(), {"inspect", model_.string()}).exit_code, 3);
}

TEST_F(ModelFolder, ACopyWithItsManifestButWithoutTheOptimizerIsAModel) {
  fs::copy_file(checkpoint() / kManifestName, model_ / kManifestName);
  EXPECT_EQ(generate(model_).output, generate(checkpoint()).output);
  EXPECT_THAT(run_program(binary(), {"inspect", model_.string()}).output, HasSubstr("fit the manifest"));
  std::ofstream(model_ / "config.json", std::ios::app) << "\n";
  EXPECT_EQ(generate(model_).exit_code, 3);
  EXPECT_THAT(generate(model_).output, AllOf(HasSubstr("config.json"), HasSubstr("does not match its hash")));
  fs::remove(model_ / kManifestName);
  EXPECT_EQ(generate(model_).exit_code, 0);
}

TEST_F(ModelFolder, NeedsOnlyConfigurationWeightsAndTokenizer) {
  for (const char* name : {"generation_config.json", "tokenizer.json", "tokenizer_config.json"})
    fs::remove(model_ / name);
  EXPECT_EQ(generate(model_).exit_code, 0);
}

TEST_F(ModelFolder, SavedWithoutOurTokenizerSaysWhereToCopyItFrom) {
  fs::remove(model_ / "tokenizer.model");
  for (const auto& result : {generate(model_), evaluate(model_)}) {
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_THAT(result.output, AllOf(HasSubstr((model_ / "tokenizer.model").string()),
                                     HasSubstr("from the checkpoint that the model came from")));
  }
}

TEST_F(ModelFolder, AConfigurationThatComputesOtherwiseIsRefusedByName) {
  edit_config("activation_function", "relu");
  const auto result = generate(model_);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.output,
              AllOf(HasSubstr(model_.string()), HasSubstr("activation_function"), HasSubstr("relu")));
}

TEST_F(ModelFolder, AnotherModelsTokenizerIsRefused) {
  edit_config("vocab_size", 4000);
  EXPECT_EQ(generate(model_).exit_code, 3);
  EXPECT_THAT(generate(model_).output, HasSubstr("pieces"));
}

TEST_F(ModelFolder, TheFolderOfCheckpointsStandsForItsRun) {
  EXPECT_EQ(generate(state() / "checkpoints").output, generate(checkpoint()).output);
  EXPECT_EQ(generate(state()).output, generate(checkpoint()).output);
}

TEST_F(ModelFolder, AFolderWithoutAModelSaysWhatToName) {
  fs::create_directory(temp_ / "empty");
  const auto result = generate(temp_ / "empty");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.output,
              AllOf(HasSubstr("no model here"), HasSubstr("model.safetensors"), HasSubstr("state folder")));
  EXPECT_EQ(generate(temp_ / "absent").exit_code, 3);
}

TEST_F(ModelFolder, ATokenizerIsFoundInARunToo) {
  for (const fs::path& place : {state(), checkpoint(), model_, model_ / "tokenizer.model"}) {
    const auto result =
        run_program(binary(), {"tokenizer", "encode", "--model", place.string(), "--text", "The town"});
    EXPECT_EQ(result.exit_code, 0) << place << result.output;
  }
}

}  // namespace
}  // namespace pretrain::test
