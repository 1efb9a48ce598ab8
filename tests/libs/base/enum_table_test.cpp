// SPDX-License-Identifier: Apache-2.0
#include "libs/base/enum_table.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

enum class Fruit { kApple, kPear };

constexpr EnumName<Fruit> kFruits[] = {{Fruit::kApple, "apple"}, {Fruit::kPear, "pear"}};
static_assert(is_in_order(kFruits));

constexpr EnumName<Fruit> kSwapped[] = {{Fruit::kPear, "pear"}, {Fruit::kApple, "apple"}};
static_assert(!is_in_order(kSwapped));

struct PricedFruit {
  Fruit value;
  std::string_view name;
  int price;
};
constexpr PricedFruit kPrices[] = {{Fruit::kApple, "apple", 3}, {Fruit::kPear, "pear", 5}};

TEST(EnumTable, GivesTheRowOfAValue) {
  EXPECT_EQ(row_of(kFruits, Fruit::kPear).name, "pear");
  EXPECT_EQ(row_of(kPrices, Fruit::kPear).price, 5);
}

TEST(EnumTable, FindsTheValueOfANameAndNothingForOthers) {
  EXPECT_EQ(find_value(kFruits, "apple"), Fruit::kApple);
  EXPECT_EQ(find_value(kPrices, "pear"), Fruit::kPear);
  EXPECT_EQ(find_value(kFruits, "Apple"), std::nullopt);
  EXPECT_EQ(find_value(kFruits, ""), std::nullopt);
}

}  // namespace
}  // namespace pretrain
