// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/tokenizer_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "tests/tokenizer/byte_pairs_testing.h"
#include "tests/tokenizer/sample_models.h"
#include "tokenizer/export.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;

std::string end_of_text_in(const TempFolder& folder) {
  const Tokenizer tokenizer = tokenizer_in(folder.path());
  return tokenizer.piece(tokenizer.end_of_text());
}

std::string refusal(const TempFolder& folder) {
  try {
    tokenizer_in(folder.path());
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
  return "";
}

TEST(TokenizerFolder, TakesTheEndOfTextFromTheFilesOfTheModel) {
  const TempFolder folder;
  folder.write("tokenizer.json", recorded("qwen2.json"));
  EXPECT_EQ(end_of_text_in(folder), "<|endoftext|>");
  folder.write("config.json", R"({"eos_token_id": 421})");
  EXPECT_EQ(end_of_text_in(folder), "<|im_start|>");
  folder.write("config.json", R"({"eos_token_id": [420, 421]})");
  EXPECT_EQ(end_of_text_in(folder), "<|endoftext|>");
  folder.write("tokenizer_config.json", R"({"eos_token": "<|im_start|>"})");
  EXPECT_EQ(end_of_text_in(folder), "<|im_start|>") << "the tokenizer's own name comes first";
  folder.write("tokenizer_config.json", R"({"eos_token": {"content": "<|endoftext|>", "lstrip": false}})");
  EXPECT_EQ(end_of_text_in(folder), "<|endoftext|>");
  EXPECT_EQ(tokenizer_at(folder / "tokenizer.json").hash(), tokenizer_in(folder.path()).hash());
}

TEST(TokenizerFolder, ReadsItsOwnFiles) {
  for (const char* kind : kBytePairKinds) {
    const Tokenizer tokenizer = recorded_tokenizer(kind);
    const TempFolder exported, checkpoint;
    for (const TokenizerFile& file : hugging_face_tokenizer(tokenizer, 64))
      exported.write(file.name, file.text);
    checkpoint.write(std::string(tokenizer.file_name()), tokenizer.serialized());
    checkpoint.write("tokenizer.json", "changed by another program");
    EXPECT_EQ(tokenizer_in(exported.path()).hash(), tokenizer.hash()) << kind;
    EXPECT_EQ(tokenizer_in(checkpoint.path()).hash(), tokenizer.hash()) << kind;
    EXPECT_FALSE(file_exists(exported / "byte_pairs.json")) << "it is for checkpoints";
  }
}

TEST(TokenizerFolder, PrefersASentencePieceModel) {
  const TempFolder folder;
  const Tokenizer& tokenizer = sample_tokenizer(TokenizerType::kBpe);
  for (const TokenizerFile& file : hugging_face_tokenizer(tokenizer, 64)) folder.write(file.name, file.text);
  EXPECT_EQ(tokenizer_in(folder.path()).hash(), tokenizer.hash());
  EXPECT_TRUE(has_tokenizer(folder.path()));
  std::filesystem::remove(folder / "tokenizer.model");
  EXPECT_THAT(refusal(folder), HasSubstr("from the checkpoint that the model came from"));
}

TEST(TokenizerFolder, NamesWhatIsWrong) {
  const TempFolder folder;
  EXPECT_FALSE(has_tokenizer(folder.path()));
  EXPECT_THAT(refusal(folder), HasSubstr("neither tokenizer.model nor tokenizer.json"));
  folder.write("merges.txt", "#version: 0.2\n");
  EXPECT_THAT(refusal(folder), HasSubstr("has merges.txt but no tokenizer.json"));
  folder.write("tokenizer.json", "{}");
  EXPECT_THAT(refusal(folder), HasSubstr("tokenizer.json: "));
  folder.write("tokenizer.json", "no JSON");
  EXPECT_THAT(refusal(folder), HasSubstr("damaged"));
  folder.write("tokenizer.json", recorded("gpt2.json"));
  folder.write("tokenizer_config.json", R"({"eos_token": "</s>"})");
  EXPECT_THAT(refusal(folder), HasSubstr("no token </s>"));
}

}  // namespace
}  // namespace pretrain::test
