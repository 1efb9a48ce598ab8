// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/word_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pretrain::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(AvoidedPhrases, AreFoundInCommentsAndMessages) {
  EXPECT_THAT(
      word_faults("libs/base/a.cpp", "int a;\n/// The line is passed over.\nfail(\"it Goes  on\");\n"),
      ElementsAre("libs/base/a.cpp:2: 'passed over': skipped", "libs/base/a.cpp:3: 'goes on': continues"));
}

TEST(AvoidedPhrases, AreFoundAcrossTheLinesOfAComment) {
  EXPECT_THAT(word_faults("a.h", "  /// Both are held\n  /// against a bound.\n"),
              ElementsAre("a.h:1: 'held against': checked against"));
  EXPECT_THAT(word_faults("a.sh", "# three times in\n# a row\n"),
              ElementsAre("a.sh:1: 'in a row': consecutive"));
}

TEST(AvoidedPhrases, AreWholeWords) {
  EXPECT_THAT(
      word_faults("a.h", "// A personal note; it undergoes one more change; words in a rowdy text.\n"),
      IsEmpty());
}

TEST(AvoidedPhrases, AreFoundTwice) {
  EXPECT_EQ(word_faults("a.md", "Whoever reads it.\n\nWhoever.\n").size(), 2U);
}

}  // namespace
}  // namespace pretrain::test
