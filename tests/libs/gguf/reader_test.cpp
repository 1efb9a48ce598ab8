// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/reader.h"

#include <gmock/gmock.h>

#include "libs/base/error.h"
#include "libs/base/rng.h"
#include "tests/libs/gguf/gguf_testing.h"

namespace pretrain::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// The message of the refusal, or "" when the file is read.
std::string refusal(const Path& path) {
  try {
    const GgufFile file = GgufFile::open(path);
    for (size_t i = 0; i < file.outline().tensors.size(); ++i) {
      std::vector<float> values(element_count(file.outline().tensors[i]));
      file.read(i, values);
    }
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
    EXPECT_THAT(error.what(), AllOf(HasSubstr(path.native()), Not(HasSubstr("\n"))));
    return error.what();
  }
  return "";
}

std::string with_bytes(std::string text, size_t at, std::string_view bytes) {
  return text.replace(at, bytes.size(), bytes);
}

TEST(GgufReader, ReadsTheFileOfAnIndependentWriter) {
  const GgufFile file = GgufFile::open(golden_gguf());
  EXPECT_EQ(file.outline().metadata, golden_outline().metadata);
  EXPECT_EQ(file.outline().tensors, golden_outline().tensors);
  for (size_t i = 0; i < file.outline().tensors.size(); ++i) {
    const GgufTensor& tensor = file.outline().tensors[i];
    std::vector<float> read(element_count(tensor));
    file.read(i, read);
    std::vector<std::byte> stored(data_bytes(tensor));
    store_elements(tensor.type, golden_values(i), stored);
    std::vector<float> expected(read.size());
    load_elements(tensor.type, stored, expected);
    EXPECT_EQ(read, expected) << tensor.name;
  }
}

TEST(GgufReader, FindsAKeyByItsName) {
  const GgufFile file = GgufFile::open(golden_gguf());
  EXPECT_EQ(std::get<uint32_t>(*find_value(file.outline().metadata, "u32")), 4000000000U);
  EXPECT_EQ(find_value(file.outline().metadata, "u33"), nullptr);
}

TEST(GgufReader, RefusesEveryTruncationAndMoreBytes) {
  const TempFolder folder;
  const std::string text = golden_text();
  for (size_t length = 0; length < text.size(); ++length)
    ASSERT_NE(refusal(folder.write("cut.gguf", text.substr(0, length))), "") << length;
  EXPECT_THAT(refusal(folder.write("long.gguf", text + std::string(32, '\0'))), HasSubstr("instead of"));
  EXPECT_EQ(refusal(folder.write("whole.gguf", text)), "");
}

TEST(GgufReader, RefusesOtherVersionsAndFiles) {
  const TempFolder folder;
  EXPECT_THAT(refusal(folder.write("v2", with_bytes(golden_text(), 4, "\x02"))), HasSubstr("version 2"));
  EXPECT_THAT(refusal(folder.write("ggml", with_bytes(golden_text(), 0, "lmgg"))), HasSubstr("GGUF"));
  EXPECT_TRUE(is_gguf(golden_gguf()));
  EXPECT_FALSE(is_gguf(folder.write("text", "GGU")));
  EXPECT_FALSE(is_gguf(folder / "absent"));
}

TEST(GgufReader, RefusesCountsThatNoFileOfThisSizeHolds) {
  const TempFolder folder;
  const std::string many("\xff\xff\xff\xff\xff\xff\xff\x00", 8);
  EXPECT_THAT(refusal(folder.write("tensors", with_bytes(golden_text(), 8, many))), HasSubstr("tensors"));
  EXPECT_THAT(refusal(folder.write("keys", with_bytes(golden_text(), 16, many))), HasSubstr("keys"));
  const std::string length(8, '\x7f');
  EXPECT_NE(refusal(folder.write("name", with_bytes(golden_text(), 24, length))), "");
  const size_t array = golden_text().find("texts") + 5 + 4 + 4;  // behind the two types
  EXPECT_THAT(refusal(folder.write("array", with_bytes(golden_text(), array, length))),
              HasSubstr("ends within its keys"));
}

TEST(GgufReader, RefusesKeysAndTensorsThatAreThereTwice) {
  const TempFolder folder;
  std::string text = golden_text();
  const auto rename = [&](std::string_view from, std::string_view to) {
    return with_bytes(text, text.find(from), to);
  };
  EXPECT_THAT(refusal(folder.write("key", rename("u64", "i64"))), HasSubstr("key i64 is there twice"));
  GgufOutline outline{.metadata = {},
                      .tensors = {{"a", {8}, ElementType::kF32}, {"b", {8}, ElementType::kF32}}};
  const std::vector<std::vector<float>> values(2, std::vector<float>(8));
  text = gguf_text(outline, values);
  text[text.find('b')] = 'a';
  EXPECT_THAT(refusal(folder.write("tensor", text)), HasSubstr("tensor a is there twice"));
}

TEST(GgufReader, RefusesOffsetsThatLeaveAGap) {
  const TempFolder folder;
  std::string text = golden_text();
  const size_t offset = text.find("brain.bias") + 10 + 4 + 8 + 4;
  text[offset] = static_cast<char>(text[offset] + 32);
  EXPECT_THAT(refusal(folder.write("gap", text)), HasSubstr("brain.bias leaves a gap"));
}

TEST(GgufReader, RefusesTypesAndShapesByName) {
  const TempFolder folder;
  const std::string text = golden_text();
  const size_t type = text.find("brain.bias") + 10 + 4 + 8;
  EXPECT_THAT(refusal(folder.write("type", with_bytes(text, type, "\x0c"))), HasSubstr("has the type 12"));
  const size_t columns = text.find("steps.weight") + 12 + 4;
  EXPECT_THAT(refusal(folder.write("row", with_bytes(text, columns, "\x41"))), HasSubstr("no whole blocks"));
  const size_t rows = text.find("single.weight") + 13 + 4;
  EXPECT_THAT(refusal(folder.write("shape", with_bytes(text, rows, std::string(8, '\xff')))),
              HasSubstr("impossible shape"));
  const size_t flag = text.find("yes") + 3 + 4;
  EXPECT_THAT(refusal(folder.write("flag", with_bytes(text, flag, "\x02"))), HasSubstr("truth value"));
}

TEST(GgufReader, StaysWithinTheFileWhateverByteChanges) {
  const TempFolder folder(memory_folder());
  constexpr uint64_t kSeed = 18;
  Rng rng(kSeed);
  const std::string text = golden_text();
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string changed = text;
    changed[rng.below(text.size())] = static_cast<char>(rng.next());
    refused += static_cast<int>(!refusal(folder.write("changed.gguf", changed)).empty());
  }
  EXPECT_GT(refused, 200) << "seed " << kSeed;
}

}  // namespace
}  // namespace pretrain::test
