// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/stop_texts.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

/// What is shown when a text arrives in pieces of `size` bytes.
std::string shown(std::vector<std::string> stops, std::string_view text, size_t size) {
  StopTexts filter(std::move(stops));
  std::string all;
  for (size_t i = 0; i < text.size() && !filter.found(); i += size) all += filter.push(text.substr(i, size));
  return all + filter.flush();
}

TEST(StopTexts, EndATextBeforeTheFirstOfThemHoweverItArrives) {
  for (size_t size = 1; size < 20; ++size) {
    EXPECT_EQ(shown({"END", "ROMEO:"}, "Who is it?\nROMEO: I. END", size), "Who is it?\n") << size;
    EXPECT_EQ(shown({"END"}, "ENDEN", size), "") << size;
    EXPECT_EQ(shown({"aab"}, "aaaab!", size), "aa") << size;
    EXPECT_EQ(shown({"abcd", "bc"}, "xabce", size), "xa") << size;
  }
}

TEST(StopTexts, LeaveATextWithoutThemAsItIs) {
  for (size_t size = 1; size < 20; ++size) {
    EXPECT_EQ(shown({"END"}, "It ENds EN", size), "It ENds EN") << size;
    EXPECT_EQ(shown({}, "anything", size), "anything") << size;
  }
}

TEST(StopTexts, HoldBackOnlyWhatMayBeginOne) {
  StopTexts filter({"ROMEO:"});
  EXPECT_EQ(filter.push("by ROM"), "by ");
  EXPECT_EQ(filter.push("E."), "ROME.");
  EXPECT_FALSE(filter.found());
  EXPECT_EQ(filter.push("ROMEO:"), "");
  EXPECT_TRUE(filter.found());
  EXPECT_EQ(filter.push("more"), "");
  EXPECT_EQ(filter.flush(), "");
}

}  // namespace
}  // namespace pretrain
