// SPDX-License-Identifier: Apache-2.0
// A model written for other programs, and what stands in the way of that.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "libs/base/file.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

/// One short run for all tests; its state folder is only read.
class Export : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempFolder>();
    const auto result = run_program(binary(), tiny_run(state()) + Words{"--steps", "20"});
    ASSERT_EQ(result.exit_code, 0) << result.output;
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static fs::path state() { return *shared_ / "state"; }
  static fs::path checkpoint() { return checkpoints_folder(state()) / checkpoint_name(20); }

  ProgramResult run_export(const fs::path& output, const Words& more = {}) const {
    return run_program(binary(),
                       Words{"export", "--checkpoint", state().string(), "--output", output.string()} + more);
  }
  ProgramResult generate(const fs::path& folder) const {
    return run_program(binary(),
                       {"generate", "--checkpoint", folder.string(), "--tokens", "20", "--seed", "3"});
  }

  inline static std::unique_ptr<TempFolder> shared_;
  const TempFolder temp_;
  const fs::path output_ = temp_ / "out";
};

TEST_F(Export, ToHuggingFaceGeneratesLikeItsCheckpoint) {
  const auto result = run_export(output_);
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(generate(output_).output, generate(checkpoint()).output);
  EXPECT_EQ(read_file(output_ / "model.safetensors"), read_file(checkpoint() / "model.safetensors"));
  EXPECT_EQ(read_file(output_ / "config.json"), read_file(checkpoint() / "config.json"));
  EXPECT_EQ(read_file(output_ / "tokenizer.json"), read_file(checkpoint() / "tokenizer.json"));
  EXPECT_FALSE(fs::exists(output_ / "optimizer.safetensors"));
  EXPECT_THAT(read_file(output_ / "README.md"), AllOf(HasSubstr("# out"), HasSubstr("CC BY-SA 4.0")));
}

TEST_F(Export, InSeveralFilesGeneratesAndIsInspectedAlike) {
  const auto result = run_export(output_, {"--shard-size", "100k"});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_FALSE(fs::exists(output_ / "model.safetensors"));
  EXPECT_TRUE(fs::exists(output_ / "model.safetensors.index.json"));
  EXPECT_EQ(generate(output_).output, generate(checkpoint()).output);
  EXPECT_EQ(run_program(binary(), {"inspect", output_.string()}).exit_code, 0);
  const auto again = run_program(
      binary(), {"export", "--checkpoint", output_.string(), "--output", (temp_ / "whole").string()});
  ASSERT_EQ(again.exit_code, 0) << again.output;
  EXPECT_EQ(read_file(temp_ / "whole/model.safetensors"), read_file(checkpoint() / "model.safetensors"));
  const auto index = nlohmann::json::parse(read_file(output_ / "model.safetensors.index.json"));
  const auto first = index["weight_map"].begin()->get<std::string>();
  fs::remove(output_ / first);
  const auto incomplete = generate(output_);
  EXPECT_EQ(incomplete.exit_code, 3);
  EXPECT_THAT(incomplete.output, AllOf(HasSubstr(first), HasSubstr("is missing")));
}

TEST_F(Export, OfHalfTheSizeStillOpens) {
  for (const std::string type : {"f16", "bf16"}) {
    const fs::path folder = temp_ / type;
    ASSERT_EQ(run_export(folder, {"--type", type}).exit_code, 0);
    const auto ratio = static_cast<double>(fs::file_size(checkpoint() / "model.safetensors")) /
                       static_cast<double>(fs::file_size(folder / "model.safetensors"));
    EXPECT_NEAR(ratio, 2, 0.1);
    EXPECT_EQ(generate(folder).exit_code, 0);
    EXPECT_THAT(read_file(folder / "config.json"), HasSubstr(type == "f16" ? "\"float16\"" : "\"bfloat16\""));
  }
}

TEST_F(Export, ToGgufIsRepeatableAndInspected) {
  for (const std::string type : {"f32", "f16", "bf16", "q8_0"}) {
    const fs::path first = temp_ / ("a-" + type) / "m";
    const fs::path second = temp_ / ("b-" + type) / "m";
    const Words options{"--format", "gguf", "--type", type};
    const auto result = run_export(first, options);
    ASSERT_EQ(result.exit_code, 0) << result.output;
    ASSERT_EQ(run_export(second, options).exit_code, 0);
    for (const char* name : {"m.gguf", "Modelfile", "README.md"})
      EXPECT_TRUE(read_file(first / name) == read_file(second / name)) << name;
    const auto inspected = run_program(binary(), {"inspect", (first / "m.gguf").string()});
    EXPECT_EQ(inspected.exit_code, 0) << inspected.output;
    EXPECT_THAT(inspected.output, AllOf(HasSubstr("gpt2.context_length = 32"), HasSubstr("  " + type + " ")));
  }
}

TEST_F(Export, HasAModelfileForOllama) {
  ASSERT_EQ(run_export(output_, {"--format", "gguf"}).exit_code, 0);
  EXPECT_THAT(read_file(output_ / "Modelfile"),
              AllOf(HasSubstr("FROM ./out.gguf\n"), HasSubstr("TEMPLATE \"\"\"{{ .Prompt }}\"\"\"\n"),
                    HasSubstr("PARAMETER num_ctx 32\n"), HasSubstr("PARAMETER stop \"<|endoftext|>\"\n")));
}

TEST_F(Export, NeverReplacesAnything) {
  temp_.write("out/precious", "x");
  const auto result = run_export(output_);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.output, HasSubstr("is not empty"));
  EXPECT_EQ(read_file(output_ / "precious"), "x");
  fs::remove(output_ / "precious");
  EXPECT_EQ(run_export(output_).exit_code, 0);  // an empty folder is as good as a new one
  ASSERT_EQ(mkfifo((temp_ / "pipe").c_str(), 0600), 0);
  const auto to_pipe = run_export(temp_ / "pipe");
  EXPECT_EQ(to_pipe.exit_code, 2) << to_pipe.output;
  EXPECT_THAT(to_pipe.output, HasSubstr("a file is there; name a new folder"));
}

TEST_F(Export, RefusesWhatItCannotWriteAndSaysWhatItCan) {
  const auto refusal = [&](const fs::path& output, const Words& more) {
    const auto result = run_export(output, more);
    EXPECT_EQ(result.exit_code, 2) << result.output;
    EXPECT_FALSE(fs::exists(output));
    return result.output;
  };
  EXPECT_THAT(refusal(output_, {"--type", "q8_0"}), HasSubstr("--format gguf"));
  EXPECT_THAT(refusal(temp_ / "m.gguf", {"--format", "gguf"}), HasSubstr("the output is a folder"));
  EXPECT_THAT(refusal(temp_ / "a\nFROM b", {"--format", "gguf"}), HasSubstr("without control characters"));
  EXPECT_THAT(refusal(temp_ / "a\xFF", {"--format", "hf"}), HasSubstr("in UTF-8"));
  for (const std::string& name : {std::string(".hidden"), std::string("a\\b"), std::string(252, 'x')})
    EXPECT_THAT(refusal(temp_ / name, {"--format", "gguf"}), HasSubstr("choose another name"));
  EXPECT_THAT(refusal(output_, {"--type", "q4_0"}), HasSubstr("(got q4_0)"));
  EXPECT_THAT(refusal(output_, {"--format", "gguf", "--shard-size", "1G"}), HasSubstr("--shard-size"));
  EXPECT_EQ(run_program(binary(), {"export", "--checkpoint", state().string()}).exit_code, 2);
}

TEST_F(Export, OfADamagedCheckpointLeavesNothing) {
  const fs::path copy = temp_ / "copy";
  fs::copy(checkpoint(), copy);
  fs::resize_file(copy / "model.safetensors", 1000);
  const auto result =
      run_program(binary(), {"export", "--checkpoint", copy.string(), "--output", output_.string()});
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_FALSE(fs::exists(output_));
}

TEST_F(Export, ADamagedGgufIsToldInOneLine) {
  ASSERT_EQ(run_export(output_, {"--format", "gguf"}).exit_code, 0);
  fs::resize_file(output_ / "out.gguf", fs::file_size(output_ / "out.gguf") - 64);
  const auto result = run_program(binary(), {"inspect", (output_ / "out.gguf").string()});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.output, HasSubstr("is not a usable GGUF file"));
}

}  // namespace
}  // namespace pretrain::test
