// SPDX-License-Identifier: Apache-2.0
#include "libs/train/fingerprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/hash.h"
#include "libs/base/loaded_libraries.h"

namespace pretrain {
namespace {

using Json = nlohmann::json;

TEST(Fingerprint, IsTheSameTwiceAndNamesWhatComputes) {
  const Json fingerprint = machine_fingerprint();
  EXPECT_EQ(fingerprint, machine_fingerprint());
  for (const char* key : {"processor", "vector_target", "bf16_products", "program"}) {
    EXPECT_FALSE(fingerprint.at(key).get<std::string>().empty()) << key;
  }
  EXPECT_EQ(fingerprint_difference(fingerprint, fingerprint), "");
}

TEST(Fingerprint, HoldsTheContentOfTheLibrariesThatCompute) {
  const Json libraries = machine_fingerprint().at("libraries");
  for (const char* name : {"libm", "libtbb"}) ASSERT_TRUE(libraries.contains(name)) << libraries.dump();
  EXPECT_FALSE(libraries.contains("libz")) << "it has no part in the numbers";
  for (const Path& file : loaded_libraries()) {
    const std::string name = library_name(file);
    if (libraries.contains(name)) {
      EXPECT_EQ(libraries.at(name), hash128_hex(read_file(file))) << file;
    }
  }
}

TEST(Fingerprint, NamesEachEntryThatDiffersOrIsMissing) {
  const Json current = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
  EXPECT_EQ(fingerprint_difference({{"a", "1"}, {"b", "9"}, {"c", "3"}}, current), "b");
  EXPECT_EQ(fingerprint_difference({{"a", "0"}, {"b", "2"}}, current), "a, c");
}

TEST(Fingerprint, NamesTheLibraryThatDiffers) {
  const Json current = {{"libraries", {{"libm", "1"}, {"libtbb", "2"}}}, {"program", "3"}};
  EXPECT_EQ(
      fingerprint_difference({{"libraries", {{"libm", "1"}, {"libtbb", "9"}}}, {"program", "3"}}, current),
      "libtbb");
  EXPECT_EQ(fingerprint_difference({{"libraries", {{"libtbb", "2"}}}, {"program", "4"}}, current),
            "libm, program");
}

TEST(Fingerprint, OfAnEarlierVersionSaysThatItsLibrariesAreNotKnown) {
  const Json current = {{"libraries", {{"libm", "1"}}}, {"processor", "p"}, {"program", "new"}};
  const std::string difference = fingerprint_difference({{"processor", "p"}, {"program", "old"}}, current);
  EXPECT_THAT(difference, testing::HasSubstr("perhaps libraries (the checkpoint does not name its own)"));
  EXPECT_THAT(difference, testing::HasSubstr("program"));
  EXPECT_THAT(difference, testing::Not(testing::HasSubstr("processor")));
}

TEST(Fingerprint, OfAnyFormIsComparedWithoutAFault) {
  const Json current = {{"libraries", {{"libm", "1"}}}, {"program", "3"}};
  for (const char* saved :
       {"null", "[]", "7", "\"text\"", R"({"libraries": 3})", R"({"libraries": ["libm"]})"}) {
    EXPECT_THAT(fingerprint_difference(Json::parse(saved), current), testing::HasSubstr("program")) << saved;
  }
}

TEST(LoadedLibraries, AreFilesKnownByNameWithoutVersion) {
  const auto files = loaded_libraries();
  ASSERT_FALSE(files.empty());
  for (const Path& file : files) EXPECT_TRUE(file_exists(file)) << file;
  EXPECT_EQ(library_name("/usr/lib/x86_64-linux-gnu/libm.so.6"), "libm");
  EXPECT_EQ(library_name("/opt/libstdc++.so.6.0.30"), "libstdc++");
}

}  // namespace
}  // namespace pretrain
