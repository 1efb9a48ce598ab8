// SPDX-License-Identifier: Apache-2.0
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ProgramResult run_presets(const Words& more) {
  Words words{"presets", "--threads", "1", "--precision", "f32"};
  words.insert(words.end(), more.begin(), more.end());
  return run_program(binary(), words);
}

nlohmann::json report_of(Words words) {
  words.emplace_back("--json");
  const auto run = run_presets(words);
  EXPECT_EQ(run.exit_code, 0) << run.output;
  return nlohmann::json::parse(run.output);
}

TEST(Presets, AreListedWithAnEstimateOfTheirSpeed) {
  const nlohmann::json report = report_of({});
  std::set<std::string> names;
  for (const auto& row : report["presets"]) {
    names.insert(row["name"].get<std::string>());
    EXPECT_GT(row["planned_bytes"].get<uint64_t>(), 16 * row["parameters"].get<uint64_t>()) << row;
    EXPECT_FALSE(row["is_measured"].get<bool>());
    EXPECT_GT(row["epoch_hours"].get<double>(), 0) << row;
  }
  EXPECT_EQ(names.size(), report["presets"].size());
  for (const char* name : {"base", "tiny", "qwen3-1m", "qwen3-350m"})
    EXPECT_TRUE(names.contains(name)) << name;
}

TEST(Presets, LargerOnesOfAFamilyTakeMoreMemoryAndTime) {
  double bytes = 0, hours = 0;
  for (const auto& row : report_of({"qwen3-1m", "qwen3-30m", "qwen3-350m"})["presets"]) {
    EXPECT_EQ(row["architecture"], "qwen3");
    EXPECT_GT(row["planned_bytes"].get<double>(), bytes) << row;
    EXPECT_GT(row["epoch_hours"].get<double>(), hours) << row;
    bytes = row["planned_bytes"].get<double>();
    hours = row["epoch_hours"].get<double>();
  }
}

TEST(Presets, OfTheUserAreMeasured) {
  const nlohmann::json report = report_of({"tiny", "small", "--measure", "--steps", "1"});
  ASSERT_EQ(report["presets"].size(), 2U);
  for (const auto& row : report["presets"]) {
    EXPECT_TRUE(row["is_measured"].get<bool>());
    EXPECT_EQ(row["vocabulary"], "characters");
    EXPECT_GT(row["resident_bytes"].get<uint64_t>(), 0U) << row;
    EXPECT_GT(row["flops_utilization"].get<double>(), 0) << row;
    const double seconds = row["epoch_tokens"].get<double>() / row["tokens_per_second"].get<double>();
    EXPECT_NEAR(row["epoch_hours"].get<double>() * 3600 / seconds, 1, 1e-6) << row;
  }
}

TEST(Presets, AreATable) {
  const auto estimated = run_presets({"tiny", "qwen3-125m"});
  EXPECT_THAT(estimated.output, AllOf(HasSubstr("qwen3-125m"), HasSubstr("12/4"), HasSubstr("125 M"),
                                      HasSubstr("~"), Not(HasSubstr("base"))));
  const auto measured = run_presets({"tiny", "--measure", "--steps", "1"});
  EXPECT_THAT(measured.output, AllOf(HasSubstr("characters"), Not(HasSubstr("~"))));
}

TEST(Presets, AnUnknownOneIsRefusedWithTheNearest) {
  const auto run = run_presets({"qwen3-30"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, HasSubstr("qwen3-30m"));
}

}  // namespace
}  // namespace pretrain::test
