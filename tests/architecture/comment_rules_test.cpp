// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/comment_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pretrain::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ContractLabels, BeginTheirLine) {
  EXPECT_THAT(label_faults("libs/base/a.h",
                           "/// Reads it.\n"
                           "/// Requires: it exists.\n"
                           "  // Thread safety: none.\n"
                           "  int step;  ///< Units: steps.\n"),
              IsEmpty());
}

TEST(ContractLabels, AreFoundAfterASentence) {
  EXPECT_THAT(label_faults("libs/base/a.h", "#pragma once\n/// Reads it. Errors: IoError.\nint read();\n"),
              ElementsAre("libs/base/a.h:2: Errors: does not begin its line"));
}

TEST(ContractLabels, AreFoundAtTheEndOfALine) {
  EXPECT_THAT(label_faults("libs/base/a.h", "  /// The sum of the rows. Shapes:\n  /// x [M, C].\n"),
              ElementsAre("libs/base/a.h:1: Shapes: does not begin its line"));
}

TEST(ContractLabels, AreFoundAfterCode) {
  EXPECT_THAT(label_faults("libs/base/a.h", "  int keep = 3;  ///< how many stay. Requires: >= 2\n"),
              ElementsAre("libs/base/a.h:1: Requires: does not begin its line"));
}

TEST(ContractLabels, AreFoundAfterAnotherOne) {
  EXPECT_THAT(label_faults("libs/base/a.h", "// Requires: it is open. Errors: IoError. Errors: Stopped.\n"),
              ElementsAre("libs/base/a.h:1: Errors: does not begin its line"));
  EXPECT_THAT(label_faults("libs/base/a.h", "// Errors: IoError. Errors: Stopped.\n"),
              ElementsAre("libs/base/a.h:1: Errors: does not begin its line"));
}

TEST(ContractLabels, AreNotPartsOfWordsAndNotCode) {
  EXPECT_THAT(
      label_faults("libs/base/a.h", "// As kErrors: and Errors::kNone say.\nint Errors = Source::k;\n"),
      IsEmpty());
}

TEST(ContractLabels, AreCountedWhereTheyBeginALine) {
  EXPECT_EQ(count_labels("/// Errors: IoError.\n/// Requires: a, b\n/// and c. Source: none.\nint x;\n"), 2U);
}

}  // namespace
}  // namespace pretrain::test
