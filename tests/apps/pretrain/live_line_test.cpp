#include "apps/pretrain/live_line.h"

#include <limits>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pretrain {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

LiveStatus ordinary() {
  return {.step = 1897,
          .tokens = 387'456,
          .max_steps = 2000,
          .loss = 1.859,
          .validation_loss = 1.903,
          .bits_per_byte = 2.743,
          .time_left = seconds(724),
          .since_save = seconds(57),
          .tokens_per_second = 2919.4,
          .learning_rate = 0.003,
          .utilization = 0.62,
          .wait_share = 0.03};
}

LiveStatus extreme() {
  constexpr auto kMost = std::numeric_limits<uint64_t>::max();
  return {.step = kMost - 1,
          .tokens = kMost,
          .max_steps = kMost,
          .loss = 1.2345e30,
          .validation_loss = 123.456,
          .bits_per_byte = 999.999,
          .time_left = hours(24 * 9999),
          .since_save = hours(24 * 99),
          .tokens_per_second = 1e12,
          .learning_rate = 1.2345e-7,
          .utilization = 10,
          .wait_share = 1};
}

/// Each part of the line is one that was made whole.
void expect_whole_parts(const std::string& line) {
  static const std::regex part(
      R"((step )?[0-9.,kMGTPE]+(/[0-9.,kMGTPE]+)?|loss (nan|inf|[0-9.e+]+)|val [0-9.e+]+( [0-9.e+]+bpb| \([0-9.e+]+ (bpb|bits per byte)\))?|)"
      R"(([0-9]+ (ms|s)|[0-9.]+ s|[0-9]+ [a-z]+ [0-9]+ [a-z]+|[0-9dhms]+) left|saved ([0-9.]+ (ms|s)|[0-9]+ [a-z]+ [0-9]+ [a-z]+|[0-9dhms]+)( ago)?|not saved|)"
      R"([0-9,.]+[kMGTPE]?( tokens| tok)?/s|[0-9,.]+[kMGTPE]? tokens|rate [0-9.e-]+|[0-9]+ % of peak|[0-9]+ % waiting)");
  std::string rest = line;
  const std::string separator = line.find(" | ") != std::string::npos ? " | " : "  ";
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(separator), rest.size());
    const std::string text = rest.substr(0, end);
    EXPECT_TRUE(std::regex_match(text, part)) << "'" << text << "' in " << line;
    rest.erase(0, std::min(end + separator.size(), rest.size()));
  }
}

TEST(LiveLine, FitsEveryWidthWithoutCuttingAPart) {
  LiveStatus fresh = ordinary();
  fresh.validation_loss.reset();
  fresh.time_left.reset();
  fresh.since_save.reset();
  fresh.max_steps = 0;
  LiveStatus broken = ordinary();
  broken.loss = std::numeric_limits<double>::quiet_NaN();
  broken.tokens_per_second = std::numeric_limits<double>::infinity();
  for (const LiveStatus& status : {ordinary(), extreme(), fresh, broken}) {
    for (size_t columns = 0; columns < 250; ++columns) {
      const std::string line = live_line(status, columns);
      EXPECT_LE(line.size(), columns);
      expect_whole_parts(line);
    }
  }
}

TEST(LiveLine, ShowsWhatMattersAt60Columns) {
  const std::string line = live_line(ordinary(), 59);
  for (const char* part : {"1,897/2,000", "loss 1.8", "12m04s left", "saved 57s", "val 1.90"})
    EXPECT_THAT(line, HasSubstr(part)) << line;
  const std::string long_run = live_line(extreme(), 59);
  for (const char* part : {"18.4E/18.4E", "loss", "left", "saved"})
    EXPECT_THAT(long_run, HasSubstr(part)) << long_run;
}

TEST(LiveLine, ShowsBitsPerByteAndTheRateAt80Columns) {
  const std::string line = live_line(ordinary(), 79);
  for (const char* part : {"step 1,897/2,000", "loss 1.859", "left", "saved", "bpb", "/s"})
    EXPECT_THAT(line, HasSubstr(part)) << line;
}

TEST(LiveLine, ShowsEverythingThatMattersInFullAt120Columns) {
  const std::string line = live_line(ordinary(), 119);
  for (const char* part : {"step 1,897/2,000", "loss 1.859", "val 1.903", "bits per byte", "12 min 04 s left",
                           "saved 57 s ago", "2,919 tok"})
    EXPECT_THAT(line, HasSubstr(part)) << line;
}

TEST(LiveLine, PutsTheStepFirstAndTheRestInOrder) {
  const std::string line = status_line(ordinary());
  size_t before = 0;
  for (const char* part :
       {"step", "loss", "val", "left", "saved", "tokens/s", " tokens |", "rate 0.003", "of peak"}) {
    const size_t at = line.find(part, before);
    EXPECT_NE(at, std::string::npos) << part << " in " << line;
    before = at;
  }
}

TEST(LiveLine, SaysThatNothingIsSavedYet) {
  LiveStatus status = ordinary();
  status.since_save.reset();
  EXPECT_THAT(live_line(status, 79), HasSubstr("not saved"));
}

}  // namespace
}  // namespace pretrain
