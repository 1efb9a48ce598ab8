// SPDX-License-Identifier: Apache-2.0
// What `pretrain scale` predicts, from a speed that is given: so no test depends on that of the machine.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;

nlohmann::json scale(const Words& more) {
  Words words{"scale", "--threads", "2", "--precision", "f32", "--json"};
  if (std::ranges::find(more, "--speed") == more.end()) words = words + Words{"--speed", "1000"};
  words.insert(words.end(), more.begin(), more.end());
  const ProgramResult run = run_program(binary(), words);
  EXPECT_EQ(run.exit_code, 0) << run.output;
  return nlohmann::json::parse(run.output.substr(run.output.find("{\n")));
}

double tokens_for(const nlohmann::json& report, size_t row) {
  return report["machines"][row]["tokens_for_efficiency"].get<double>();
}

TEST(Scale, FasterNetworksNeedSmallerSteps) {
  const auto slow = scale({"--machines", "2-64", "--network", "1G"});
  const auto fast = scale({"--machines", "2-64", "--network", "10G"});
  ASSERT_EQ(slow["machines"].size(), 6U);
  for (size_t row = 0; row < 6; ++row) {
    EXPECT_EQ(slow["machines"][row]["machines"], 2 << row);
    EXPECT_GT(tokens_for(slow, row), 3 * tokens_for(fast, row));
    EXPECT_EQ(slow["machines"][row]["steps"].size(), 5U);
  }
  EXPECT_GT(tokens_for(slow, 5), tokens_for(slow, 0));
}

TEST(Scale, AnExchangeInBf16NeedsSmallerSteps) {
  const auto f32 = scale({"--machines", "4"});
  const auto bf16 = scale({"--machines", "4", "--exchange", "bf16"});
  EXPECT_NEAR(tokens_for(bf16, 0), tokens_for(f32, 0) / 2, 0.15 * tokens_for(f32, 0));
}

TEST(Scale, TakesSizesThatNoPresetHas) {
  const auto large = scale({"--layers", "48", "--d-model", "2048", "--heads", "16", "--vocab", "50000"});
  EXPECT_GT(large["parameters"].get<uint64_t>(), 1'200'000'000U);
  EXPECT_LT(large["parameters"].get<uint64_t>(), 1'500'000'000U);
  EXPECT_FALSE(large["is_measured"].get<bool>());
}

TEST(Scale, SpeaksInATable) {
  const auto run =
      run_program(binary(), {"scale", "base", "--speed", "500", "--machines", "2-4", "--network", "2.5G"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("2.5Gbit/s"));
  EXPECT_THAT(run.output, HasSubstr("0.9 from"));
  EXPECT_THAT(run.output, HasSubstr("--accumulate"));
}

TEST(Scale, MeasuresASmallModel) {
  const auto report = scale({"tiny", "--speed", "0", "--machines", "2"});
  EXPECT_TRUE(report["is_measured"].get<bool>());
  EXPECT_GT(report["tokens_per_second"].get<double>(), 0);
}

TEST(Scale, RefusesWhatMakesNoSense) {
  const auto refused = [](const Words& more, const std::string& why) {
    Words words{"scale", "--speed", "500"};
    words.insert(words.end(), more.begin(), more.end());
    const auto run = run_program(binary(), words);
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.output, HasSubstr(why));
  };
  refused({"--network", "1"}, "such as 1G, 2.5G or 100M (got 1)");
  refused({"--network", "fast"}, "(got fast)");
  refused({"--network", "1e9G"}, "(got 1e9G)");
  refused({"--machines", "1"}, "--machines must be 2 or more");
  refused({"no-such-model"}, "no-such-model");
}

}  // namespace
}  // namespace pretrain::test
