// SPDX-License-Identifier: Apache-2.0
#include "libs/web/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(WebTarget, HasAPathAndDecodedParameters) {
  const auto target = parse_target("/api/v1/runs?keys=loss%2Cgrad_norm&points=8&a+b=c%20d&flag");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/api/v1/runs");
  EXPECT_THAT(target->query, ElementsAre(Pair("a b", "c d"), Pair("flag", ""), Pair("keys", "loss,grad_norm"),
                                         Pair("points", "8")));
}

TEST(WebTarget, KeepsAnEncodedPathAsItIs) {
  EXPECT_EQ(parse_target("/%2e%2e/secret")->path, "/%2e%2e/secret");
}

TEST(WebTarget, TakesTheFirstOfEqualNames) {
  EXPECT_EQ(text_in(*parse_target("/?a=1&a=2"), "a"), "1");
}

TEST(WebTarget, RefusesWhatIsNoPathOrNotEncoded) {
  for (const char* text : {"", "http://a/", "*", "/?a=%4", "/?a=%zz", "/?%=1"}) {
    EXPECT_FALSE(parse_target(text)) << text;
  }
}

TEST(WebTarget, ReadsCountsWithinTheirBounds) {
  const WebTarget target = *parse_target("/?limit=20&big=99999999999999999999&minus=-3&word=x&tail=5x");
  EXPECT_EQ(count_in(target, "limit", 7, 1, 1000), 20U);
  EXPECT_EQ(count_in(target, "absent", 7, 1, 1000), 7U);
  for (const char* name : {"big", "minus", "word", "tail"}) {
    EXPECT_THROW(count_in(target, name, 7, 1, 1000), Error) << name;
  }
  EXPECT_THROW(count_in(target, "limit", 7, 1, 19), Error);
  try {
    count_in(target, "word", 7, 1, 1000);
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "word must be an integer from 1 to 1,000 (got x)");
  }
}

}  // namespace
}  // namespace pretrain
