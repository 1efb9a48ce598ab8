// SPDX-License-Identifier: Apache-2.0
// A run that starts with the weights of a model from elsewhere.

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

/// A byte-level vocabulary that another library trained.
std::string byte_pairs() {
  return (source_folder() / "tests/tokenizer/data/qwen2.json").string();
}

/// One short run of qwen3 with byte pairs for all tests; its state folder is only read.
class InitFrom : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempFolder>();
    const auto result = run_program(
        binary(), tiny_run(parent()) + Words{"--steps", "20", "--arch", "qwen3", "--kv-heads", "2",
                                             "--head-size", "32", "--tokenizer", byte_pairs()});
    ASSERT_EQ(result.exit_code, 0) << result.output;
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static fs::path parent() { return *shared_ / "parent"; }
  static fs::path parent_checkpoint() { return checkpoints_folder(parent()) / checkpoint_name(20); }

  fs::path exported(const std::string& format, const std::string& type) const {
    const fs::path output = temp_ / (format + "-" + type);
    const auto result = run_program(binary(), {"export", "--checkpoint", parent().string(), "--output",
                                               output.string(), "--format", format, "--type", type});
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return format == "gguf" ? output / (output.filename().string() + ".gguf") : output;
  }
  /// The sizes come from the model, so that no preset is named.
  Words words(const fs::path& model, const fs::path& state) const {
    return {"train",
            "--corpus",
            sample_corpus(),
            "--state",
            state.string(),
            "--init-from",
            model.string(),
            "--batch",
            "8",
            "--workers",
            "1",
            "--threads",
            "1",
            "--shuffle-buffer",
            "200",
            "--sample-tokens",
            "0",
            "--checkpoint-interval",
            "0s",
            "--evaluate-every",
            "0"};
  }
  ProgramResult start(const fs::path& model, const fs::path& state,
                      const Words& more = {"--steps", "2"}) const {
    return run_program(binary(), words(model, state) + more);
  }
  static fs::path checkpoint(const fs::path& state, uint64_t step) {
    return checkpoints_folder(state) / checkpoint_name(step);
  }

  inline static std::unique_ptr<TempFolder> shared_;
  const TempFolder temp_;
  const fs::path state_ = temp_ / "state";
};

TEST_F(InitFrom, BeginsWithTheWeightsAndTheTokenizer) {
  for (const auto& [format, type] : {std::pair("hf", "f32"), std::pair("gguf", "f32")}) {
    const fs::path state = temp_ / fmt::format("of-{}", format);
    const auto result = start(exported(format, type), state, {"--steps", "2", "--keep", "3"});
    ASSERT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(result.output, HasSubstr("starting with the weights of"));
    EXPECT_TRUE(read_file(checkpoint(state, 0) / "model.safetensors") ==
                read_file(parent_checkpoint() / "model.safetensors"))
        << format;
    EXPECT_EQ(read_file(checkpoint(state, 0) / "config.json"),
              read_file(parent_checkpoint() / "config.json"));
    EXPECT_FALSE(read_file(checkpoint(state, 2) / "model.safetensors") ==
                 read_file(checkpoint(state, 0) / "model.safetensors"));
  }
  const fs::path state = temp_ / "of-hf";
  EXPECT_EQ(read_file(checkpoint(state, 0) / "byte_pairs.json"),
            read_file(parent_checkpoint() / "byte_pairs.json"));
}

TEST_F(InitFrom, NarrowWeightsAreCloseToTheModels) {
  for (const auto& [format, type] : {std::pair("hf", "bf16"), std::pair("hf", "f16"),
                                     std::pair("gguf", "f16"), std::pair("gguf", "q8_0")}) {
    const fs::path state = temp_ / fmt::format("of-{}-{}", format, type);
    const auto result = start(exported(format, type), state, {"--steps", "1", "--validation-tokens", "4000"});
    ASSERT_EQ(result.exit_code, 0) << result.output;
    double loss = 0;
    for (const auto& record : records(state)) {
      if (record.contains("validation_loss") && loss == 0) loss = record["validation_loss"];
    }
    double parents = 0;
    for (const auto& record : records(parent())) {
      if (record.contains("validation_loss")) parents = record["validation_loss"];
    }
    EXPECT_NEAR(loss, parents, 0.3) << format << type
                                    << ": the last loss of the parent is the first one here";
  }
}

TEST_F(InitFrom, IsInspectedWithWhereTheWeightsCameFrom) {
  const fs::path model = exported("hf", "f32");
  ASSERT_EQ(start(model, state_).exit_code, 0);
  const auto result = run_program(binary(), {"inspect", state_.string()});
  EXPECT_THAT(result.output,
              AllOf(HasSubstr("started with the weights of " + model.string()),
                    HasSubstr("model.safetensors: "), HasSubstr("init-from = " + model.string())));
}

/// The model is read once: what follows needs the checkpoints alone.
TEST_F(InitFrom, ResumesBitForBitWithoutTheModel) {
  const fs::path model = exported("hf", "f32");
  const fs::path whole = temp_ / "whole";
  ASSERT_EQ(start(model, whole, {"--steps", "12"}).exit_code, 0);
  ASSERT_EQ(start(model, state_, {"--steps", "5"}).exit_code, 0);
  fs::remove_all(model);
  const auto resumed = run_program(binary(), {"resume", "--state", state_.string(), "--steps", "9"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.output;
  const auto again = start(model, state_, {"--steps", "12"});  // the command that started it
  ASSERT_EQ(again.exit_code, 0) << again.output;
  EXPECT_EQ(state_hashes(state_, 12), state_hashes(whole, 12));
}

TEST_F(InitFrom, TheConfigurationThatARunLeavesBeginsTheSameRun) {
  ASSERT_EQ(start(exported("hf", "f32"), state_, {"--steps", "3"}).exit_code, 0);
  const fs::path again = temp_ / "again";
  const std::string ini = (state_ / "run.ini").string();
  const auto result = run_program(binary(), {"train", "--config", ini, "--state", again.string()});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(state_hashes(again, 3), state_hashes(state_, 3));
  const auto same = run_program(binary(), {"train", "--config", ini});
  EXPECT_EQ(same.exit_code, 0) << same.output;
  EXPECT_THAT(same.output, HasSubstr("nothing to do")) << "it names the state folder, too";
}

TEST_F(InitFrom, TakesAShorterContextThanThatOfTheModel) {
  const fs::path model = exported("hf", "f32");
  nlohmann::json config = nlohmann::json::parse(read_file(model / "config.json"));
  config["max_position_embeddings"] = 131'072;
  config["rope_scaling"] = {{"rope_type", "default"}};
  std::ofstream(model / "config.json") << config.dump();
  const auto result = start(model, state_, {"--steps", "2", "--context", "16"});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_TRUE(read_file(checkpoint(state_, 0) / "model.safetensors") ==
              read_file(parent_checkpoint() / "model.safetensors"));
}

TEST_F(InitFrom, AllCommandsWorkWithBytePairs) {
  const fs::path folder = exported("hf", "f32");
  const fs::path gguf = exported("gguf", "f32");
  const auto generate = [](const fs::path& model) {
    const auto result = run_program(binary(), {"generate", "--checkpoint", model.string(), "--tokens", "20",
                                               "--seed", "3", "--prompt", "The capital"});
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return result.output;
  };
  EXPECT_EQ(generate(folder), generate(parent_checkpoint()));
  EXPECT_EQ(generate(gguf), generate(parent_checkpoint()));
  const auto evaluated = [](const fs::path& model) {
    const auto result =
        run_program(binary(), {"eval", "--checkpoint", model.string(), "--corpus", sample_corpus()});
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return result.exit_code;
  };
  EXPECT_EQ(evaluated(folder), 0);
  EXPECT_EQ(evaluated(gguf), 0);
  EXPECT_EQ(run_program(binary(), {"inspect", sample_corpus(), "--tokenizer", byte_pairs()}).exit_code, 0);
  const std::string text = "The caf\u00e9 <think> it's 1999 \u6771\u4eac <|endoftext|>";
  const auto ids = run_program(binary(), {"tokenizer", "encode", "--model", folder.string(), "--text", text});
  ASSERT_EQ(ids.exit_code, 0) << ids.output;
  const std::string line = ids.output.substr(0, ids.output.find('\n'));
  const auto from_gguf =
      run_program(binary(), {"tokenizer", "encode", "--model", gguf.string(), "--text", text});
  EXPECT_EQ(from_gguf.output, ids.output);
  const auto back =
      run_program(binary(), {"tokenizer", "decode", "--model", parent().string(), "--ids", line});
  EXPECT_EQ(back.output, text + "\n");
}

TEST_F(InitFrom, ABranchKeepsTheTokenizerAndNamesItsParent) {
  ASSERT_EQ(start(exported("hf", "f32"), state_).exit_code, 0);
  const fs::path branch = temp_ / "branch";
  const auto result = run_program(
      binary(), {"branch", "--checkpoint", state_.string(), "--state", branch.string(), "--steps", "4"});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(read_file(checkpoint(branch, 4) / "byte_pairs.json"),
            read_file(checkpoint(state_, 2) / "byte_pairs.json"));
}

TEST_F(InitFrom, WhatContradictsTheModelIsOneLine) {
  const fs::path model = exported("hf", "f32");
  const auto expect = [&](const Words& more, int exit_code, const std::string& text) {
    const auto result = start(model, state_, more);
    EXPECT_EQ(result.exit_code, exit_code) << result.output;
    EXPECT_THAT(result.output, AllOf(HasSubstr(text), Not(HasSubstr("warning"))));
    EXPECT_FALSE(fs::exists(state_)) << "nothing is created";
  };
  expect({"--layers", "7"}, 2, "--layers 7 contradicts --init-from");
  expect({"--model", "base"}, 2, "--model base contradicts");
  expect({"--context", "4k"}, 2, "--context 4k is longer");
  expect({"--init-from", (temp_ / "none").string()}, 3, "no such folder");
  temp_.write("text.txt", "no model");
  expect({"--init-from", (temp_ / "text.txt").string()}, 3, "a file that is no GGUF");
  expect({"--tokenizer", (source_folder() / "tests/golden/data/llama/tokenizer.model").string()}, 3,
         "leave out --tokenizer, or give this model's");
}

TEST_F(InitFrom, AModelThatIsDamagedIsRefusedByName) {
  const fs::path model = exported("hf", "f32");
  fs::resize_file(model / "model.safetensors", fs::file_size(model / "model.safetensors") / 2);
  const auto cut = start(model, state_);
  EXPECT_EQ(cut.exit_code, 3) << cut.output;
  EXPECT_THAT(cut.output, HasSubstr("model.safetensors"));
  const fs::path gguf = exported("gguf", "f32");
  fs::resize_file(gguf, fs::file_size(gguf) - 64);
  const auto short_one = start(gguf, state_);
  EXPECT_EQ(short_one.exit_code, 3) << short_one.output;
  EXPECT_THAT(short_one.output, HasSubstr("gguf"));
}

}  // namespace
}  // namespace pretrain::test
