// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/initial_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// A recorded llama of one layer, width 32, 4 heads of 8, context 32.
std::string model_path() {
  return (source_folder() / "tests/golden/data/llama").string();
}

/// A recorded character model of gpt2.
std::string gpt2_path() {
  return (source_folder() / "tests/golden/data/concat/checkpoints/step-000000380").string();
}

std::string refusal(KeyValues given, const std::string& path = model_path()) {
  given["init-from"] = path;
  try {
    const auto model = open_initial_model(given);
    resolve_new(given, &*model);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "";
}

TEST(InitialModel, GivesARunItsSizes) {
  const KeyValues given{{"init-from", model_path()}, {"batch", "4"}};
  const auto model = open_initial_model(given);
  const KeyValues values = resolve_new(given, &*model);
  EXPECT_EQ(values.at("arch"), "llama");
  EXPECT_EQ(values.at("layers"), "1");
  EXPECT_EQ(values.at("d-model"), "32");
  EXPECT_EQ(values.at("kv-heads"), "2");
  EXPECT_EQ(values.at("head-size"), "8");
  EXPECT_EQ(values.at("untied"), "yes");
  EXPECT_EQ(values.at("rope-theta"), "50000");
  EXPECT_EQ(values.at("context"), "32");
  EXPECT_EQ(values.at("batch"), "4");
  EXPECT_EQ(values.at("learning-rate"), "0.0001");
  EXPECT_EQ(values.at("init-from"), model_path());
  EXPECT_FALSE(open_initial_model({{"batch", "4"}}).has_value());
}

TEST(InitialModel, AKeyThatContradictsItIsRefusedInOneLine) {
  EXPECT_EQ(refusal({{"layers", "1"}, {"context", "16"}, {"rope-theta", "5e4"}}), "");
  EXPECT_THAT(refusal({{"layers", "2"}}),
              AllOf(HasSubstr("--layers 2"), HasSubstr("has 1"), HasSubstr("leave out")));
  EXPECT_THAT(refusal({{"arch", "gpt2"}}), HasSubstr("--arch gpt2"));
  EXPECT_THAT(refusal({{"rope-theta", "10000"}}), HasSubstr("--rope-theta 10000"));
  EXPECT_THAT(refusal({{"untied", "no"}}), HasSubstr("--untied no"));
  EXPECT_THAT(refusal({{"context", "64"}}), AllOf(HasSubstr("--context 64"), HasSubstr("32")));
  EXPECT_THAT(refusal({{"model", "base"}}), HasSubstr("--model base"));
  const KeyValues sizes{{"layers", "1"}, {"d-model", "32"}, {"heads", "4"}, {"d-ff", "64"}};
  KeyValues whole = sizes;
  whole["model"] = "base";
  EXPECT_EQ(refusal(whole), "") << "all sizes are given, as run.ini has them";
  whole["d-ff"] = "48";
  EXPECT_THAT(refusal(whole), HasSubstr("--d-ff 48"));
  whole.erase("d-ff");
  EXPECT_THAT(refusal(whole), HasSubstr("--model base"));
  EXPECT_THAT(refusal({{"vocab", "8000"}}),
              AllOf(HasSubstr("--vocab has no effect with --init-from"), HasSubstr("leave it out")));
  EXPECT_EQ(refusal({{"vocab", "16k"}, {"tokenizer-type", "bpe"}}), "")
      << "the defaults, as run.ini has them";
  EXPECT_THAT(refusal({{"tokenizer-type", "char"}}), HasSubstr("--tokenizer-type has no effect"));
  EXPECT_THAT(refusal({{"kv-heads", "2"}}, gpt2_path()), AllOf(HasSubstr("--kv-heads 2"), HasSubstr("none")));
}

TEST(InitialModel, AShorterContextKeepsTheFirstPositions) {
  const auto model = open_initial_model({{"init-from", gpt2_path()}});
  ModelConfig shorter = model->config;
  shorter.context /= 2;
  const ParameterLayout layout(shorter);
  std::vector<float> parameters(layout.flat_size(), 7.0F);
  read_initial_weights(*model, layout, parameters.data());
  for (const ParameterInfo& tensor : layout.tensors()) {
    const ParameterInfo& theirs = *model->layout->find(tensor.name);
    std::vector<float> values(theirs.size);
    model->weights->read_tensor(theirs, values);
    values.resize(tensor.size);
    const auto* ours = parameters.data() + tensor.offset;
    EXPECT_EQ(std::vector<float>(ours, ours + tensor.size), values) << tensor.name;
  }
}

TEST(InitialModel, IsRecordedWithItsFiles) {
  const auto model = open_initial_model({{"init-from", model_path()}});
  const nlohmann::json record = record_of(*model);
  ASSERT_EQ(record["files"].size(), 2U);
  EXPECT_EQ(record["files"][1]["name"], "model.safetensors");
  EXPECT_EQ(record["files"][1]["hash"], hash_file(Path(model_path()) / "model.safetensors").hash);
  EXPECT_THAT(describe_initial_model(record),
              AllOf(HasSubstr("started with the weights of"), HasSubstr("golden/data/llama"),
                    HasSubstr("model.safetensors")));
  EXPECT_EQ(describe_initial_model({{"path", "/a"}, {"step", 3}}), "") << "a branch";
  EXPECT_EQ(record_of(*open_initial_model({{"init-from", gpt2_path()}}))["step"], 380);
}

TEST(InitialModel, DamagedRecordsAreDescribed) {
  for (const nlohmann::json& record :
       {nlohmann::json{{"files", 3}}, nlohmann::json{{"files", {1, "x"}}, {"path", 5}},
        nlohmann::json("text")}) {
    EXPECT_EQ(describe_initial_model(record).find('\x1b'), std::string::npos);
  }
}

}  // namespace
}  // namespace pretrain::test
