// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/token_cost.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

TEST(TokenCost, IsThatAtWhichBothModelsTakeWhatWasMeasured) {
  const TokenSample narrow{{1e6, 500}, 2e-5};
  const TokenSample medium{{5e6, 600}, 5e-5};
  const TokenCost cost = fit_token_cost(narrow, medium);
  EXPECT_GT(cost.per_operation, 0);
  EXPECT_GT(cost.per_value, 0);
  EXPECT_NEAR(cost.seconds(narrow.work), 2e-5, 1e-12);
  EXPECT_NEAR(cost.seconds(medium.work), 5e-5, 1e-12);
}

TEST(TokenCost, IsThatOfTheMediumModelWhereNoiseAllowsNoOther) {
  const TokenSample medium{{5e6, 600}, 5e-5};
  for (const double seconds : {1e-6, 1e-2}) {  // faster and slower than work of either kind explains
    const TokenCost cost = fit_token_cost({{1e6, 500}, seconds}, medium);
    EXPECT_DOUBLE_EQ(cost.per_operation, 1e-11) << seconds;
    EXPECT_EQ(cost.per_value, 0) << seconds;
  }
}

TEST(TokenCost, IsThatOfTheMediumModelWhereWorkIsInProportion) {
  const TokenCost cost = fit_token_cost({{1e6, 100}, 1e-5}, {{5e6, 500}, 5e-5});
  EXPECT_DOUBLE_EQ(cost.per_operation, 1e-11);
  EXPECT_EQ(cost.per_value, 0);
}

}  // namespace
}  // namespace pretrain
