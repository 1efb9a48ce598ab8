// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/weight_files.h"

#include <cstring>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "libs/base/half_float.h"
#include "libs/base/units.h"
#include "tests/libs/checkpoint/sample.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::error_of;
using test::TempFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

template <typename T>
std::string file_of_one(const std::string& name, DType dtype, const std::vector<T>& values) {
  const std::vector<TensorSource> tensors{
      {.name = name, .dtype = dtype, .shape = {values.size()}, .data = std::as_bytes(std::span(values))}};
  std::string text;
  write_safetensors(tensors, {}, false, [&](std::span<const std::byte> piece) {
    text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  return text;
}

std::string index_of(const nlohmann::json& map) {
  return nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump();
}

std::vector<float> read(const WeightFiles& files, std::string_view name, size_t count) {
  const std::vector<uint64_t> shape{count};
  files.require_floats(name, shape);
  std::vector<float> values(count);
  files.read_floats(name, values);
  return values;
}

class WeightFilesTest : public testing::Test {
 protected:
  void write_two() const {
    folder_.write(kFirst, file_of_one<float>("a", DType::kF32, {1, -2}));
    folder_.write(kSecond, file_of_one<uint16_t>("b", DType::kBf16, {to_bf16(0.5F)}));
    write_index({{"a", kFirst}, {"b", kSecond}});
  }
  void write_index(const nlohmann::json& map) const {
    folder_.write("model.safetensors.index.json", index_of(map));
  }
  std::string refusal() const {
    return error_of(ErrorKind::kData, [&] { WeightFiles::open(folder_.path()); });
  }

  const TempFolder folder_;
};

TEST_F(WeightFilesTest, ReadsWhatTheIndexLists) {
  write_two();
  const WeightFiles files = WeightFiles::open(folder_.path());
  EXPECT_THAT(files.names(), ElementsAre("a", "b"));
  EXPECT_THAT(read(files, "a", 2), ElementsAre(1, -2));
  EXPECT_THAT(read(files, "b", 1), ElementsAre(0.5F));
  EXPECT_FALSE(files.contains("c"));
}

TEST_F(WeightFilesTest, PrefersTheSingleFile) {
  write_two();
  folder_.write("model.safetensors", file_of_one<float>("only", DType::kF32, {3}));
  EXPECT_THAT(WeightFiles::open(folder_.path()).names(), ElementsAre("only"));
}

TEST_F(WeightFilesTest, WidensEveryBitOfLongTensors) {
  std::vector<uint16_t> bits(1_MiB + 3);  // more than is read at once
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = to_f16(static_cast<float>(i % 2047) - 1000);
  folder_.write("model.safetensors", file_of_one("x", DType::kF16, bits));
  const auto values = read(WeightFiles::open(folder_.path()), "x", bits.size());
  for (size_t i = 0; i < bits.size(); ++i) ASSERT_EQ(values[i], static_cast<float>(i % 2047) - 1000) << i;
}

TEST_F(WeightFilesTest, ReadsLongTensorsWhole) {
  std::vector<float> expected(2 * 1_MiB + 3);  // more than is read at once, twice
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<float>(i);
  folder_.write("model.safetensors", file_of_one("x", DType::kF32, expected));
  EXPECT_TRUE(read(WeightFiles::open(folder_.path()), "x", expected.size()) == expected);
}

TEST_F(WeightFilesTest, ATensorOfAnotherShapeOrTypeIsNamed) {
  folder_.write("model.safetensors", file_of_one<uint32_t>("ids", DType::kU32, {1, 2}));
  const WeightFiles files = WeightFiles::open(folder_.path());
  const std::vector<uint64_t> right{2}, wrong{1, 2};
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { files.require_floats("ids", right); }),
              AllOf(HasSubstr("ids"), HasSubstr("U32")));
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { files.require_floats("none", right); }), HasSubstr("none"));
  folder_.write("model.safetensors", file_of_one<float>("ids", DType::kF32, {1, 2}));
  const WeightFiles floats = WeightFiles::open(folder_.path());
  floats.require_floats("ids", right);
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { floats.require_floats("ids", wrong); }), HasSubstr("[1, 2]"));
}

TEST_F(WeightFilesTest, AFileThatIsMissingOrCutIsNamed) {
  write_two();
  std::filesystem::remove(folder_ / kSecond);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(kSecond), HasSubstr("is missing")));
  write_two();
  std::filesystem::resize_file(folder_ / kFirst, 70);
  EXPECT_THAT(refusal(), HasSubstr(kFirst));
}

TEST_F(WeightFilesTest, AnIndexOfOtherFilesIsRefused) {
  write_two();
  write_index({{"a", kFirst}, {"b", kSecond}, {"c", kSecond}});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("tensor c is not in"), HasSubstr(kSecond)));
  write_index({{"a", kSecond}, {"b", kSecond}});
  EXPECT_THAT(refusal(), HasSubstr("tensor a is not in"));
  write_index({{"b", kSecond}, {"other", kFirst}});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("tensor a is not listed"), HasSubstr(kFirst)));
  folder_.write(kSecond, file_of_one<float>("a", DType::kF32, {5}));  // the same tensor twice
  write_index({{"a", kFirst}, {"b", kSecond}});
  EXPECT_THAT(refusal(), HasSubstr("tensor a is not listed"));
}

TEST_F(WeightFilesTest, OtherFormsOfWeightsAreNamed) {
  EXPECT_THAT(refusal(), HasSubstr("model.safetensors is missing"));
  folder_.write("pytorch_model.bin", "x");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("pickle"), HasSubstr("save the model again as safetensors")));
}

TEST_F(WeightFilesTest, LinksAreFollowedOrRefused) {
  write_two();
  std::filesystem::rename(folder_ / kFirst, folder_ / "blob");
  std::filesystem::create_symlink(folder_ / "blob", folder_ / kFirst);
  EXPECT_TRUE(WeightFiles::open(folder_.path()).contains("a"));
  EXPECT_THROW(WeightFiles::open(folder_.path(), Links::kRefuse), IoError);
}

TEST(WeightIndex, HoldsTheMapAlone) {
  EXPECT_THAT(parse_weight_index(index_of({{"a", "x.safetensors"}, {"b", "y.safetensors"}})),
              ElementsAre(Pair("a", "x.safetensors"), Pair("b", "y.safetensors")));
  EXPECT_EQ(parse_weight_index(R"({"weight_map": {"a": "x.safetensors"}, "metadata": null})").size(), 1U);
}

TEST(WeightIndex, RefusesHostileText) {
  const auto reason = [](const std::string& text) {
    return error_of(ErrorKind::kData, [&] { parse_weight_index(text); });
  };
  EXPECT_THAT(reason(""), HasSubstr("not JSON"));
  EXPECT_THAT(reason("[]"), HasSubstr("not an object"));
  EXPECT_THAT(reason("{}"), HasSubstr("no weight_map"));
  EXPECT_THAT(reason(R"({"weight_map": []})"), HasSubstr("not an object"));
  EXPECT_THAT(reason(R"({"weight_map": {}})"), HasSubstr("0 tensors"));
  EXPECT_THAT(reason(R"({"weight_map": {"a": "x.safetensors", "a": "x.safetensors"}})"), HasSubstr("twice"));
  for (const char* name :
       {"../x.safetensors", "/etc/x.safetensors", "x.bin", "", "a/b.safetensors", "x\\u0000/.safetensors"}) {
    EXPECT_THAT(reason(fmt::format(R"({{"weight_map": {{"a": "{}"}}}})", name)), HasSubstr("tensor a"))
        << name;
  }
  EXPECT_THAT(reason(R"({"weight_map": {"a": 3}})"), HasSubstr("tensor a"));
  nlohmann::json many;
  for (int i = 0; i < 300; ++i) many[fmt::format("t{}", i)] = fmt::format("{}.safetensors", i);
  EXPECT_THAT(reason(index_of(many)), HasSubstr("300 files"));
  const std::string long_name(100'000, 'n');
  EXPECT_LT(reason(index_of({{long_name, "x"}})).size(), 500U);
}

}  // namespace
}  // namespace pretrain
