// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/exposition.h"

#include <limits>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

constexpr MetricFamily kSteps{"pretrain_steps_total", MetricType::kCounter, "Steps."};
constexpr MetricFamily kLoss{"pretrain_loss_nats", MetricType::kGauge, "Loss."};

TEST(Exposition, WritesTheSamplesOfAFamilyTogether) {
  Exposition exposition;
  exposition.add(kSteps, {{"run", "a"}}, 100);
  exposition.add(kLoss, {}, 0.1);
  exposition.add(kSteps, {{"run", "b"}, {"model", "base"}}, 1e9);
  EXPECT_EQ(exposition.text(),
            "# HELP pretrain_steps_total Steps.\n# TYPE pretrain_steps_total counter\n"
            "pretrain_steps_total{run=\"a\"} 100\npretrain_steps_total{run=\"b\",model=\"base\"} 1000000000\n"
            "# HELP pretrain_loss_nats Loss.\n# TYPE pretrain_loss_nats gauge\npretrain_loss_nats 0.1\n");
}

TEST(Exposition, EscapesLabels) {
  Exposition exposition;
  exposition.add(kLoss, {{"run", "a\"b\\c\nd"}}, 1);
  EXPECT_NE(exposition.text().find("{run=\"a\\\"b\\\\c\\nd\"} 1\n"), std::string::npos) << exposition.text();
}

TEST(Exposition, WritesNumbersThatAreNotFinite) {
  Exposition exposition;
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    exposition.add(kLoss, {}, value);
  }
  EXPECT_NE(exposition.text().find("nats NaN\npretrain_loss_nats +Inf\npretrain_loss_nats -Inf\n"),
            std::string::npos);
}

}  // namespace
}  // namespace pretrain
