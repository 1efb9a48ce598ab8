// SPDX-License-Identifier: Apache-2.0
// The cost of cleaning, counted in bytes looked at, on pages that were written to be slow.

#include <gtest/gtest.h>

#include "libs/base/utf8.h"
#include "tests/libs/wikitext/cleaner_testing.h"
#include "tests/libs/wikitext/hostile_pages.h"

namespace pretrain::test {
namespace {

constexpr size_t kKiB = 1024;

struct Cost {
  uint64_t examined;
  std::string text;
};

Cost cost_of(const std::string& page) {
  WikitextCleaner cleaner(WikiSite{.language = "zh", .namespaces = {}});  // with script variants
  Cost cost{};
  cleaner.clean(page, cost.text);
  cost.examined = cleaner.examined_bytes();
  return cost;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character first = read_utf8(text);
    if (first.state != Utf8Character::State::kValid) return false;
    text.remove_prefix(first.bytes);
  }
  return true;
}

class HostilePage : public testing::TestWithParam<HostilePattern> {};

/// Each search may fail a few times before the page is read without looking ahead, and each may look at the
/// whole page; text in nested templates moves once a level.
TEST_P(HostilePage, CostsASmallMultipleOfItsSize) {
  constexpr uint64_t kMost = 60;
  for (const size_t size : {kKiB, 64 * kKiB, 1024 * kKiB}) {
    const std::string page = hostile_page(GetParam(), size);
    EXPECT_LE(cost_of(page).examined, kMost * page.size()) << size;
  }
}

TEST_P(HostilePage, CostsTwiceAsMuchAtTwiceTheSize) {
  const uint64_t once = cost_of(hostile_page(GetParam(), 512 * kKiB)).examined;
  const uint64_t twice = cost_of(hostile_page(GetParam(), 1024 * kKiB)).examined;
  EXPECT_LE(twice, once * 5 / 2);
}

TEST_P(HostilePage, LeavesTextOfItsOwnSizeAndValid) {
  const std::string page = hostile_page(GetParam(), 64 * kKiB);
  Cost cost = cost_of(page);
  EXPECT_LE(cost.text.size(), 4 * page.size() + 64);
  EXPECT_TRUE(is_utf8(cost.text));
}

INSTANTIATE_TEST_SUITE_P(Each, HostilePage, testing::ValuesIn(hostile_patterns()),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(Cost, CountsEachByteOfAPlainPage) {
  const std::string page(kKiB, 'a');
  EXPECT_GE(cost_of(page).examined, page.size());
}

TEST(NestedMarkup, BeyondTheDepthLimitIsStillRead) {
  std::string page;
  for (int i = 0; i < 100; ++i) page += "{{nowrap|";
  page += "deep";
  for (int i = 0; i < 100; ++i) page += "}}";
  EXPECT_EQ(cleaned("before " + page + " after"), "before after");
}

TEST(ArbitraryBytes, ArePage) {
  std::string page;
  for (int i = 0; i < 256; ++i) page += static_cast<char>(i);
  EXPECT_FALSE(cleaned(page + page).empty());
}

}  // namespace
}  // namespace pretrain::test
