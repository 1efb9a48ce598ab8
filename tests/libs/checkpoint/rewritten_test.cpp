// SPDX-License-Identifier: Apache-2.0
// What other programs did to a checkpoint's folder, told from damage.

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/libs/checkpoint/sample.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using namespace test;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kTransformersConfig =
    "{\n  \"model_type\": \"gpt2\",\n  \"transformers_version\": \"5.24.0\"\n}\n";

/// One checkpoint as a run writes it.
class Rewritten : public testing::Test {
 protected:
  Rewritten() {
    const Sample sample(5);  // the content is a view of it
    CheckpointContent content = sample.content();
    content.files.push_back({.name = "tokenizer.json", .data = "{\"model\": 1}"});
    content.files.push_back({.name = "tokenizer.model", .data = "pieces"});
    CheckpointStore(files_, state_.path(), {}).save(content);
  }
  Path folder() const { return checkpoints_folder(state_.path()) / checkpoint_name(5); }
  CheckpointVerdict verdict() const { return judge_checkpoint(folder()); }

  /// The weights as another program would save them.
  void rewrite_model(const std::string& name, size_t weights = kSampleSize) {
    const Sample sample(5, weights);
    const std::vector<TensorSource> tensors{{.name = name,
                                             .dtype = DType::kF32,
                                             .shape = {weights},
                                             .data = std::as_bytes(std::span(sample.weights))}};
    std::string text;
    write_safetensors(tensors, {{"format", "pt"}}, false, [&](std::span<const std::byte> piece) {
      text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    });
    overwrite(folder() / "model.safetensors", text);
  }

  TempFolder state_;
  FaultyFileSystem files_;  // without a fault
};

TEST_F(Rewritten, ATokenizerForOtherProgramsIsNoDamageAndIsNamed) {
  overwrite(folder() / "tokenizer.json", "{\"model\": 1, \"truncation\": null}");
  ASSERT_TRUE(verdict().checkpoint);
  EXPECT_THAT(verdict().checkpoint->changed, ElementsAre("tokenizer.json: it has 32 bytes instead of 12"));
  std::filesystem::remove(folder() / "tokenizer.json");
  ASSERT_TRUE(verdict().checkpoint);
  EXPECT_THAT(verdict().checkpoint->changed, ElementsAre("tokenizer.json: it is missing"));
  EXPECT_NO_THROW(verify_checkpoint(folder()));
}

TEST_F(Rewritten, ExtraFilesAreNoDamage) {
  overwrite(folder() / "special_tokens_map.json", "{}");
  overwrite(folder() / "README.md", "mine");
  ASSERT_TRUE(verdict().checkpoint);
  EXPECT_THAT(verdict().checkpoint->changed, IsEmpty());
}

TEST_F(Rewritten, AConfigurationOfTransformersIsNoDamageWhileTheWeightsAreIntact) {
  overwrite(folder() / "config.json", kTransformersConfig);
  ASSERT_TRUE(verdict().checkpoint);
  EXPECT_THAT(verdict().checkpoint->changed, ElementsAre(HasSubstr("config.json")));
  flip_bit(folder() / "model.safetensors", 150, 2);
  EXPECT_EQ(verdict().trouble, Trouble::kDamaged);
}

TEST_F(Rewritten, AModelSavedAnewIsToldByNameAndNotMoved) {
  overwrite(folder() / "config.json", kTransformersConfig);
  rewrite_model("transformer.w");
  EXPECT_EQ(verdict().trouble, Trouble::kRewritten);
  EXPECT_EQ(verdict().reason, "was changed by another program: model.safetensors, config.json");
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { verify_checkpoint(folder()); }),
              AllOf(HasSubstr("changed by another program"), Not(HasSubstr("damaged"))));
  CheckpointStore store(files_, state_.path(), {});
  error_of(ErrorKind::kData, [&] { store.newest_verified(); });
  EXPECT_EQ(steps_in(state_.path()).size(), 1U);
}

TEST_F(Rewritten, AnEditedConfigurationIsToldByName) {
  overwrite(folder() / "config.json", "{\"step\": 5, \"resid_pdrop\": 0.1}");
  EXPECT_EQ(verdict().reason, "was changed by another program: config.json");
}

TEST_F(Rewritten, WhatIsNotWellFormedOrAsLongAsBeforeIsDamage) {
  overwrite(folder() / "config.json", "{\"step\": 4}");  // as long as before
  EXPECT_EQ(verdict().reason, "is damaged (config.json: its content does not match its hash)");
  overwrite(folder() / "config.json", "{\"step\": 5, ");
  EXPECT_EQ(verdict().trouble, Trouble::kDamaged);
  overwrite(folder() / "config.json", std::string(100'000, '['));
  EXPECT_EQ(verdict().trouble, Trouble::kDamaged);
}

TEST_F(Rewritten, TheModelOfAnotherCheckpointIsDamage) {
  rewrite_model("w", 10'000);
  EXPECT_EQ(verdict().trouble, Trouble::kDamaged);
}

TEST_F(Rewritten, FilesThatOnlyThisProgramWritesAreNeverTakenForRewritten) {
  overwrite(folder() / "tokenizer.model", "other pieces");
  EXPECT_EQ(verdict().trouble, Trouble::kDamaged);
}

}  // namespace
}  // namespace pretrain
