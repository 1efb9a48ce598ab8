// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/include_circles.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/architecture/source_files.h"

namespace pretrain::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(IncludeCircles, AreNoneWhereUnitsOnlyUseThoseBelow) {
  EXPECT_THAT(include_circles({{"a/one.h", "#include \"a/two.h\"\n#include <vector>\n"},
                               {"a/one.cpp", "#include \"a/one.h\"\n#include \"a/three.h\"\n"},
                               {"a/two.h", "#include \"a/three.h\"\n"},
                               {"a/three.h", ""}}),
              IsEmpty());
}

TEST(IncludeCircles, AreFoundThroughSources) {
  EXPECT_THAT(include_circles({{"a/one.h", "#include \"a/two.h\"\n"},
                               {"a/two.h", ""},
                               {"a/two.cpp", "#include \"a/two.h\"\n#include \"a/one.h\"\n"}}),
              ElementsAre(ElementsAre("a/one", "a/two")));
}

TEST(IncludeCircles, AreFoundThroughAThirdUnitAndApartFromEachOther) {
  EXPECT_THAT(include_circles({{"a/one.h", "#include \"a/two.h\"\n"},
                               {"a/two.cpp", "#include \"b/three.h\"\n"},
                               {"a/user.cpp", "#include \"a/one.h\"\n#include \"c/x.h\"\n"},
                               {"b/three.h", "#include \"a/one.h\"\n"},
                               {"c/x.h", "#include \"c/y.h\"\n"},
                               {"c/y.cpp", "#include \"c/x.h\"\n"}}),
              ElementsAre(ElementsAre("a/one", "a/two", "b/three"), ElementsAre("c/x", "c/y")));
}

TEST(SourceTree, HasNoCircleOfUnits) {
  const auto files = program_files();
  EXPECT_GT(files.size(), 200U);
  for (const auto& circle : include_circles(files))
    ADD_FAILURE() << fmt::format("{}", fmt::join(circle, ", "));
}

}  // namespace
}  // namespace pretrain::test
