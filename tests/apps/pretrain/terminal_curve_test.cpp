// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/terminal_curve.h"

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

RunRecord run_of(const std::vector<double>& losses) {
  RunRecord record;
  for (size_t i = 0; i < losses.size(); ++i) {
    record.curve.add(*point_of({{"kind", "step"}, {"step", i + 1}, {"loss", losses[i]}}));
  }
  return record;
}

RunRecord falling(size_t steps) {
  std::vector<double> losses;
  for (size_t i = 0; i < steps; ++i)
    losses.push_back(2 + 4 * std::exp(-8.0 * static_cast<double>(i) / static_cast<double>(steps)));
  return run_of(losses);
}

size_t characters_in(const std::string& line) {
  size_t count = 0;
  for (const char c : line) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return count;
}

TEST(TerminalCurve, FitsEachWidthAndHeight) {
  for (const size_t columns : {24U, 40U, 60U, 80U, 120U, 200U}) {
    for (const bool utf8 : {false, true}) {
      const std::string text = terminal_curve(falling(500), {.columns = columns, .rows = 8, .utf8 = utf8});
      std::istringstream lines(text);
      size_t rows = 0;
      for (std::string line; std::getline(lines, line); ++rows)
        EXPECT_LE(characters_in(line), columns) << line;
      EXPECT_EQ(rows, 10U);
    }
  }
}

TEST(TerminalCurve, FallsFromTheUpperLeftToTheLowerRight) {
  RunRecord record = falling(100);
  record.evaluations = {{.step = 50, .loss = 2.3}, {.step = 100, .loss = 2.002}};
  std::istringstream text(terminal_curve(record, {.columns = 40, .rows = 6, .utf8 = false}));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 8U);
  for (size_t y = 0; y < 6; ++y) EXPECT_EQ(lines[y][7], '|') << lines[y];
  EXPECT_EQ(lines[0][8], '*') << lines[0];
  EXPECT_LT(lines[0].size(), 20U) << lines[0];
  EXPECT_EQ(lines[5].size(), 40U);
  EXPECT_EQ(lines[5].back(), 'o');
  EXPECT_EQ(lines[5][8], ' ') << lines[5];
  EXPECT_EQ(lines[6], "        step 1                       100");
  EXPECT_EQ(lines[7], "        loss, o validation");
}

TEST(TerminalCurve, AnExplosionDoesNotFlattenTheRest) {
  RunRecord record = falling(100);
  record.curve.add(*point_of({{"kind", "step"}, {"step", 101U}, {"loss", 1e30}}));
  const std::string text = terminal_curve(record, {.columns = 60, .rows = 6, .utf8 = false});
  EXPECT_EQ(text.find("e+30"), std::string::npos) << text;
}

TEST(TerminalCurve, OfTooLittleIsEmpty) {
  EXPECT_EQ(terminal_curve(RunRecord(), {}), "");
  EXPECT_EQ(terminal_curve(run_of({3.0}), {}), "");
  EXPECT_EQ(terminal_curve(falling(10), {.columns = 10}), "");
  EXPECT_NE(terminal_curve(run_of({3.0, 3.0}), {}), "") << "a flat curve is one";
}

}  // namespace
}  // namespace pretrain
