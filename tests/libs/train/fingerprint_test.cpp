#include "libs/train/fingerprint.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

TEST(Fingerprint, IsTheSameTwiceAndNamesWhatComputes) {
  const nlohmann::json fingerprint = machine_fingerprint();
  EXPECT_EQ(fingerprint, machine_fingerprint());
  for (const char* key : {"processor", "vector_target", "program"}) {
    EXPECT_FALSE(fingerprint.at(key).get<std::string>().empty()) << key;
  }
  EXPECT_EQ(fingerprint_difference(fingerprint, fingerprint), "");
}

TEST(Fingerprint, NamesEachEntryThatDiffersOrIsMissing) {
  const nlohmann::json current = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
  EXPECT_EQ(fingerprint_difference({{"a", "1"}, {"b", "9"}, {"c", "3"}}, current), "b");
  EXPECT_EQ(fingerprint_difference({{"a", "0"}, {"b", "2"}}, current), "a, c");
}

}  // namespace
}  // namespace pretrain
